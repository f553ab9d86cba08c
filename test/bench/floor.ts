import { createServer } from 'node:http';
import { listenForBench } from './listen.js';

/* The floor: reads and parses the JSON and answers. What the runtime itself costs. */

const RECEIVED = JSON.stringify({ received: true });

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    JSON.parse(Buffer.concat(parts).toString());
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': RECEIVED.length,
    });
    response.end(RECEIVED);
  });
});
listenForBench(server);
