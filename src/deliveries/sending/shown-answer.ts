import type { IncomingHttpHeaders } from 'node:http';
import { LRUCache } from 'lru-cache';
import { sampleOf, shownHeaders } from '../../audit/redacted-request.js';

/** The answer of a receiver as people may see it. */
export interface ShownAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const MAX_HEADERS = 40;
/** Of a body that is not JSON. */
const MAX_TEXT = 1000;
/** Shorter texts also occur by chance. */
const MIN_SECRET = 6;

/** Receivers repeat themselves, and redaction takes 50 µs of an answer otherwise. */
const shownHeaderCache = new LRUCache<string, readonly [string, string]>({ max: 1000 });
const shownBodyCache = new LRUCache<string, string>({ max: 1000 });
const MAX_CACHED = 300;

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
  const shown = Object.entries(headers)
    .slice(0, MAX_HEADERS)
    .map(([name, value]) => shownHeader(name, clean(String(value))));
  const isEncoded = headers['content-encoding'] !== undefined && body.length > 0;
  return {
    headers: Object.fromEntries(shown),
    body: isEncoded
      ? `[encoded, at least ${body.length} bytes]`
      : shownBody(clean(body.toString())),
  };
}

function shownHeader(name: string, value: string): readonly [string, string] {
  return cached(shownHeaderCache, `${name}: ${value}`, () => {
    const [shown] = Object.entries(shownHeaders({ [name]: value }));
    return shown ?? [name, ''];
  });
}

function shownBody(text: string): string {
  return cached(shownBodyCache, text, () => sampleOf(Buffer.from(text), MAX_TEXT));
}

function cached<T extends object | string>(
  cache: LRUCache<string, T>,
  key: string,
  compute: () => T,
): T {
  if (key.length > MAX_CACHED) return compute();
  let value = cache.get(key);
  if (value === undefined) {
    value = compute();
    cache.set(key, value);
  }
  return value;
}
