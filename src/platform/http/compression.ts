import type { IncomingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyInstance, onSendAsyncHookHandler } from 'fastify';
import Negotiator from 'negotiator';

/** A smaller answer fits into one packet anyway. */
const MIN_BYTES = 1024;

const LEVEL = 4;
const gzipAsync = promisify(gzip);

/** Compresses JSON answers for clients that prefer gzip, on zlib's threads. Call it before any route is declared. */
export function compressAnswers(
  fastify: FastifyInstance,
  isExcluded: (route: string) => boolean,
): void {
  const compress: onSendAsyncHookHandler = async (request, reply, payload) => {
    if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return payload;
    if (!/^application\/([\w.-]+\+)?json\b/.test(String(reply.getHeader('content-type')))) {
      return payload;
    }
    if (reply.hasHeader('content-encoding') || payload.length < MIN_BYTES) return payload;
    const vary = [reply.getHeader('vary') ?? [], 'Accept-Encoding'].flat();
    void reply.header('vary', vary.join(', '));
    if (acceptedCodings(request.headers)[0] !== 'gzip') return payload;
    const compressed = await gzipAsync(payload, { level: LEVEL });
    void reply.header('content-encoding', 'gzip').removeHeader('content-length');
    return compressed;
  };
  fastify.addHook('onRoute', (route) => {
    if (isExcluded(route.url)) return;
    // First: later hooks, as for HEAD, need the compressed length.
    route.onSend = [compress, ...[route.onSend ?? []].flat()];
  });
}

/** Which of gzip and `identity` the client accepts, the preferred one first; empty if it excludes both. */
export function acceptedCodings(headers: IncomingHttpHeaders): string[] {
  return new Negotiator({ headers }).encodings(['gzip', 'identity']);
}
