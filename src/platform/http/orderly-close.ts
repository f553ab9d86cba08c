import type { FastifyInstance } from 'fastify';

const IDLE_MILLISECONDS = 200;

/**
 * Closes connections during a shutdown: each after the answer of its current request, an idle one at once, and the rest,
 * such as long downloads, after `seconds`. Fastify would wait for them without a limit, and Nest's `forceCloseConnections`
 * would abort requests that are being answered.
 */
export function closeOrderly(
  fastify: FastifyInstance,
  seconds: number,
  isStopping: () => boolean,
): void {
  fastify.addHook('onSend', (_request, reply, payload, done) => {
    if (isStopping()) void reply.header('connection', 'close');
    done(null, payload);
  });
  fastify.addHook('preClose', (done) => {
    const { server } = fastify;
    const idle = setInterval(() => server.closeIdleConnections(), IDLE_MILLISECONDS);
    const late = setTimeout(() => server.closeAllConnections(), seconds * 1000);
    server.once('close', () => {
      clearInterval(idle);
      clearTimeout(late);
    });
    done();
  });
}
