import cookie from '@fastify/cookie';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { onRequestHookHandler } from 'fastify';

/** Routes below it are the console's. */
export const CONSOLE_PATH = '/admin';

const CONTENT_SECURITY_POLICY = [
  `default-src 'none'`,
  `script-src 'self'`,
  `style-src 'self'`,
  `img-src 'self' data:`,
  `connect-src 'self'`,
  `form-action 'self'`,
  `base-uri 'none'`,
  `frame-ancestors 'none'`,
].join('; ');

/**
 * `upgrade-insecure-requests` is left out: within a company, the console may be on plain HTTP. Nor is the
 * referrer policy `no-referrer`: with it, browsers send forms with `Origin: null`, and on plain HTTP nothing
 * else tells where a form comes from.
 */
const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/** The headers of answers for a path that no route of the console serves, but that is below `/admin`. */
export function consoleHeadersOf(path: string): Readonly<Record<string, string>> {
  return `${path}/`.startsWith(`${CONSOLE_PATH}/`) ? HEADERS : {};
}

/** Cookies, and the headers that all answers below `/admin` carry, errors included. */
export async function setUpConsole(app: NestFastifyApplication): Promise<void> {
  await app.register(cookie);
  const fastify = app.getHttpAdapter().getInstance();
  const addHeaders: onRequestHookHandler = (_request, reply, done) => {
    void reply.headers(HEADERS);
    done();
  };
  // By route, since one path can be written in many ways.
  fastify.addHook('onRoute', (route) => {
    if (!`${route.url}/`.startsWith(`${CONSOLE_PATH}/`)) return;
    route.onRequest = [addHeaders, ...[route.onRequest ?? []].flat()];
  });
}
