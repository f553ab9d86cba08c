import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/**
 * Prepared keys by secret. With one, node:crypto signs 4 KB in 6 µs and 256 KB in 0.4 ms; `standardwebhooks`, which is
 * plain JavaScript, takes 118 µs and 6 ms.
 */
const keys = new LRUCache<string, KeyObject>({ max: 10_000 });

/** The signatures of Standard Webhooks (`v1`), one for each of `secrets`, with spaces between them. */
export function signaturesOf(
  secrets: readonly string[],
  id: string,
  timestampSeconds: number,
  body: Buffer,
): string {
  return secrets
    .map((secret) => {
      const hmac = createHmac('sha256', keyOf(secret)).update(`${id}.${timestampSeconds}.`);
      return `v1,${hmac.update(body).digest('base64')}`;
    })
    .join(' ');
}

function keyOf(secret: string): KeyObject {
  let key = keys.get(secret);
  if (key === undefined) {
    key = createSecretKey(Buffer.from(secret.replace(/^whsec_/, ''), 'base64'));
    keys.set(secret, key);
  }
  return key;
}
