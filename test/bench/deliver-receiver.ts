import { createServer } from 'node:http';
import { listenForBench } from './listen.js';

/* Receives events for both sides, and says how many have come and when. Each path is an endpoint. */

const arrivals: number[] = [];

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    arrivals.push(Date.now());
    response.writeHead(204).end();
  });
});
process.on('message', (message) => {
  if (message === 'arrivals') process.send?.(arrivals.splice(0));
  if (message === 'count') process.send?.(arrivals.length);
});
listenForBench(server);
