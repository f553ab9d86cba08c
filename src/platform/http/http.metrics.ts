import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../metrics/metrics.js';

/** Bucket bounds in seconds, from a refusal to the longest `wait`. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** By the first digit of the status. */
const CLASSES = ['other', '1xx', '2xx', '3xx', '4xx', '5xx'];

/**
 * Counts and times requests by declared route, method, and class of status. The number of series is bounded: all
 * unknown paths share one route, and all unusual methods one method.
 */
export function measureRequests(fastify: FastifyInstance, { meter }: Metrics): void {
  const durations = meter.createHistogram('gateway_http_request_duration_seconds', {
    description:
      'How long requests take, by route, method and class of status; its count is the number of requests',
    advice: { explicitBucketBoundaries: BOUNDS },
  });
  fastify.addHook('onResponse', ({ method, is404, routeOptions }, reply, done) => {
    durations.record(reply.elapsedTime / 1000, {
      route: is404 ? '(no route)' : (routeOptions.url ?? '(no route)'),
      method: METHODS.includes(method) ? method : 'other',
      status: CLASSES[Math.floor(reply.statusCode / 100)] ?? 'other',
    });
    done();
  });
  meter
    .createObservableGauge('gateway_http_connections', {
      description: 'Open connections to the main port',
    })
    .addCallback(async (result) => result.observe(await connections(fastify)));
}

function connections({ server }: FastifyInstance): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}
