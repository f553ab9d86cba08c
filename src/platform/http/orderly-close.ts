import type { FastifyInstance } from 'fastify';

const IDLE_MILLISECONDS = 200;

/**
 * How connections end when the process stops. Requests that are being answered get their answer, which is the last one of
 * its connection; what becomes idle is closed at once, since proxies keep connections for minutes; and what still
 * runs after `seconds`, such as a long download, is broken off. (Fastify closes what is idle at one moment and waits
 * for all else without end; Nest's `forceCloseConnections` breaks off what is being answered.)
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
