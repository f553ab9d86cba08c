import { Logger } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { withLogFields } from '../logging/log-context.js';

/**
 * Gives every request an id, which its answer and its log lines carry, and logs one line when it is
 * done, but for the routes that `isQuiet`: those only where the answer is 5xx. The line names the route, not
 * the URL, whose query may be anything. Call it before any route is declared.
 */
export function traceRequests(fastify: FastifyInstance, isQuiet: (route: string) => boolean): void {
  const logger = new Logger('Http');
  const line = (route: string, { method }: FastifyRequest, reply: FastifyReply): void => {
    const { statusCode: status, elapsedTime } = reply;
    logger.log({ msg: 'request', method, route, status, milliseconds: Math.round(elapsedTime) });
  };
  fastify.addHook('onRequest', (request, reply, done) => {
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
