import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** The `X-Request-Id` of the client where it is printable ASCII of up to 128 characters, else a new id. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\x20-\x7e]{1,128}$/.test(given) ? given : randomUUID();
}
