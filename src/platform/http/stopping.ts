import type { FastifyInstance } from 'fastify';

/**
 * Lets a stop end as soon as the last request is answered. Fastify closes the connections that are idle when the
 * stop begins; those that become idle later would hold it up for as long as clients keep them open.
 */
export function closeConnectionsAtStop(fastify: FastifyInstance): void {
  let stopping = false;
  fastify.addHook('preClose', (done) => {
    stopping = true;
    done();
  });
  fastify.addHook('onResponse', (_request, _reply, done) => {
    if (stopping) setImmediate(() => fastify.server.closeIdleConnections());
    done();
  });
}
