import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';

/**
 * Removes `prefix`, such as `/gw`, from the URL of a request: some proxies pass it on, others strip it, and
 * a client behind neither follows links that have it.
 */
export function withoutPrefix(prefix: string): (request: Pick<IncomingMessage, 'url'>) => string {
  return ({ url = '/' }) => {
    if (prefix === '' || !url.startsWith(prefix)) return url;
    const rest = url.slice(prefix.length);
    if (rest === '' || rest.startsWith('?')) return `/${rest}`;
    return rest.startsWith('/') ? rest : url;
  };
}

/** Puts `prefix` before every `Location` that is a path of the gateway. */
export function prefixLocations(fastify: FastifyInstance, prefix: string): void {
  if (prefix === '') return;
  fastify.addHook('onSend', (_request, reply, payload, done) => {
    const location = reply.getHeader('location');
    if (typeof location === 'string' && /^\/(?!\/)/.test(location)) {
      void reply.header('location', prefix + location);
    }
    done(null, payload);
  });
}

/** Puts `prefix` before the addresses in rendered HTML that are paths of the gateway. */
export function prefixAddresses(html: string, prefix: string): string {
  // Only markup can match: rendered text holds no quotation marks.
  return prefix === ''
    ? html
    : html.replace(/ (?:href|src|action|data-live)="(?=\/(?!\/))/g, (start) => start + prefix);
}
