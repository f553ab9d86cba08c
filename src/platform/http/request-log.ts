import { Logger } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { withLogFields } from '../logging/log-context.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** By `performance.now()`. */
    arrivedAt: number;
  }
}

/**
 * Adds the request id to the answer and the log lines of each request, and logs one line at its end; for routes that
 * `isQuiet`, only if the answer is 5xx. The line has the route instead of the URL, whose query may contain secrets. Call it
 * before any route is declared.
 */
export function traceRequests(fastify: FastifyInstance, isQuiet: (route: string) => boolean): void {
  const logger = new Logger('Http');
  const line = (route: string, { method }: FastifyRequest, reply: FastifyReply): void => {
    const { statusCode: status, elapsedTime } = reply;
    logger.log({ msg: 'request', method, route, status, milliseconds: Math.round(elapsedTime) });
  };
  fastify.decorateRequest('arrivedAt', 0);
  fastify.addHook('onRequest', (request, reply, done) => {
    request.arrivedAt = performance.now();
    void reply.header('x-request-id', request.id);
    withLogFields({ requestId: request.id }, done);
  });
  fastify.addHook('onRoute', (route) => {
    const quiet = isQuiet(route.url);
    const log = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
      if (!quiet || reply.statusCode >= 500) line(route.url, request, reply);
      done();
    };
    route.onResponse = [...[route.onResponse ?? []].flat(), log];
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    if (request.is404) line('(no route)', request, reply);
    done();
  });
}
