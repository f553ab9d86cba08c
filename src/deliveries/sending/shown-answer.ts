import type { IncomingHttpHeaders } from 'node:http';
import { sampleOf, shownHeaders } from '../../audit/redacted-request.js';

/** The answer of a receiver as people may see it. */
export interface ShownAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Of a body that is not JSON. */
const MAX_TEXT = 1000;
/** Shorter texts also occur by chance. */
const MIN_SECRET = 6;

/**
 * Redacts an answer: secrets by their shape and their name, and `sent`, the secrets of the request, which a receiver may echo.
 * A body with a content coding is not decoded.
 */
export function shownAnswer(
  headers: IncomingHttpHeaders,
  body: Buffer,
  sent: readonly string[],
): ShownAnswer {
  const secrets = sent.filter((secret) => secret.length >= MIN_SECRET);
  const clean = (text: string): string =>
    secrets.reduce((cleaned, secret) => cleaned.replaceAll(secret, '[redacted]'), text);
  const coding = headers['content-encoding'];
  const cleaned = Object.entries(headers).map(([name, value]) => [name, clean(String(value))]);
  return {
    headers: shownHeaders(Object.fromEntries(cleaned)),
    body:
      coding === undefined || body.length === 0
        ? sampleOf(Buffer.from(clean(body.toString())), MAX_TEXT)
        : `[encoded, at least ${body.length} bytes]`,
  };
}
