import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { listenForBench } from './listen.js';
import { steadyMs } from './steady-clock.js';

/*
 * A fake of Reducto with minimal cost: takes submits, notes when they came, and says of every
 * job that it is pending. `GET /arrivals` tells the moments since the last time it was asked.
 */

let arrivals: { job: string | undefined; at: number }[] = [];

const server = createServer((request, response) => {
  const at = steadyMs();
  const send = (body: object): void => {
    const text = JSON.stringify(body);
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  };
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    if (request.method === 'POST' && request.url?.endsWith('_async')) {
      const body = Buffer.concat(parts).toString();
      arrivals.push({ job: /"gateway_job_id": ?"([^"]+)"/.exec(body)?.[1], at });
      send({ job_id: randomUUID() });
    } else if (request.url === '/arrivals') {
      send({ arrivals });
      arrivals = [];
    } else if (request.url === '/count') {
      send({ count: arrivals.length });
    } else {
      send({ status: 'Pending', jobs: [], next_cursor: null });
    }
  });
});
listenForBench(server);
