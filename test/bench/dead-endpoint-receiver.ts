import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { freePort } from '../../src/dev/free-port.js';
import { listenForBench } from './listen.js';
import type { DeadEndpoint, ReceiverAnswer, ReceiverCommand } from './dead-endpoint-plan.js';

/*
 * A fast receiver of events, and beside it one on another port that fails on command. The fast one notes how old each event is.
 */

const TIMESTAMP = /"timestamp":"([^"]+)"/;

let ages: number[] = [];
let count = 0;
let awaited = Number.POSITIVE_INFINITY;
let dead: DeadEndpoint = 'answers';
const held = new Set<ServerResponse>();

const tell = (answer: ReceiverAnswer): void => void process.send?.(answer);

const server = createServer((request, response) => {
  const arrival = performance.timeOrigin + performance.now();
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    response.writeHead(204).end();
    const [, timestamp = ''] = TIMESTAMP.exec(Buffer.concat(parts).toString()) ?? [];
    ages.push(arrival - Date.parse(timestamp));
    count += 1;
    if (count >= awaited) {
      awaited = Number.POSITIVE_INFINITY;
      tell({ ages });
    }
  });
});

const failing: RequestListener = (request, response) => {
  request.resume();
  if (dead === 'answers') response.writeHead(204).end();
  else held.add(response);
};
const other = createServer(failing);
other.keepAliveTimeout = 75_000;

function becomes(next: DeadEndpoint): void {
  dead = next;
  for (const response of held) response.destroy();
  held.clear();
  if (next === 'refuses') {
    other.close();
    other.closeAllConnections();
  }
  if (next === 'answers' && !other.listening) {
    other.listen(port, '127.0.0.1', () => tell({ deadUrl }));
  } else {
    tell({ deadUrl });
  }
}

// It listens on this port again after it refused.
const port = await freePort();
const deadUrl = `http://127.0.0.1:${port}/dead`;
other.listen(port, '127.0.0.1', () => listenForBench(server));

process.on('message', (command: ReceiverCommand) => {
  if ('dead' in command) return becomes(command.dead);
  ages = [];
  count = 0;
  awaited = command.awaits;
});
