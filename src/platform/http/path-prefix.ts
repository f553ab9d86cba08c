import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';

/** Removes one of `prefixes`, such as `/gw`, from the URL of a request: some proxies strip it, others do not. */
export function withoutPrefix(
  ...prefixes: readonly string[]
): (request: Pick<IncomingMessage, 'url'>) => string {
  const given = prefixes.filter((prefix) => prefix !== '');
  return ({ url = '/' }) => {
    for (const prefix of given) {
      if (!url.startsWith(prefix)) continue;
      const rest = url.slice(prefix.length);
      if (rest === '' || rest.startsWith('?')) return `/${rest}`;
      if (rest.startsWith('/')) return rest;
    }
    return url;
  };
}

/** Prepends `prefix` to every `Location` that is a path of the gateway. */
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

/** Prepends `prefix` to the gateway's paths in rendered HTML. */
export function prefixAddresses(html: string, prefix: string): string {
  // Only markup can match: quotation marks in text are escaped.
  return prefix === ''
    ? html
    : html.replace(/ (?:href|src|action|data-live)="(?=\/(?!\/))/g, (start) => start + prefix);
}
