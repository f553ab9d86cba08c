import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { redact } from '../logging/redaction.js';

/**
 * The client's `X-Request-Id` if it is printable ASCII of up to 128 characters, else a new id. A credential is replaced,
 * because the log, the audit, and answers repeat the id.
 */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  const isUsable =
    typeof given === 'string' && /^[\x20-\x7e]{1,128}$/.test(given) && redact(given) === given;
  return isUsable ? given : randomUUID();
}
