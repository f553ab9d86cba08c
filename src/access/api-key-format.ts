import { createHash, randomBytes } from 'node:crypto';

const PREFIX = 'rgw_';

/** A new key: 256 random bits, with a prefix that people and secret scanners recognize. */
export function newApiKey(): string {
  return `${PREFIX}${randomBytes(32).toString('base64url')}`;
}

export function hashOfKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** A prefix that identifies a key and is too short to guess the rest. */
export function prefixOfKey(key: string): string {
  return `${key.slice(0, key.startsWith(PREFIX) ? PREFIX.length + 4 : 4)}…`;
}
