import { Logger } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { withLogFields } from '../logging/log-context.js';

/**
 * Gives every request an id, which its answer and its log lines carry, and logs one line when it is
 * done, but for those of which `isQuiet` says that they are not worth one. The line names the route, not
 * the URL, whose query may be anything.
 */
export function traceRequests(
  fastify: FastifyInstance,
  isQuiet: (route: string, status: number) => boolean,
): void {
  const logger = new Logger('Http');
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    withLogFields({ requestId: request.id }, done);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? '(no route)';
    if (!isQuiet(route, reply.statusCode)) {
      logger.log({
        msg: 'request',
        method: request.method,
        route,
        status: reply.statusCode,
        milliseconds: Math.round(reply.elapsedTime),
      });
    }
    done();
  });
}
