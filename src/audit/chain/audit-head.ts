import { authenticate, type AuditKeys } from '../audit-keys.js';
import { sameHex } from './chain-state.js';
import type { Head } from './known-head.js';

/**
 * A head of the chain as one word that can be logged and pasted: id, time (milliseconds since 1970), hash,
 * key, and a MAC over all of it and the database that it belongs to.
 */
export function formatHead(keys: AuditKeys, installation: string, head: Head, at: Date): string {
  const key = keys.current;
  const time = String(at.getTime());
  const mac = authenticate(key, ['head', installation, head.id, time, head.hash]);
  return ['head', head.id, time, head.hash, key.id, mac.toString('hex')].join('_');
}

export type ReadHead =
  | { readonly outcome: 'valid'; readonly head: Head }
  | { readonly outcome: 'key_missing'; readonly keyId: string }
  | { readonly outcome: 'invalid' };

/** @param text the head, or the whole log line that contains it */
export function readHead(keys: AuditKeys, installation: string, text: string): ReadHead {
  const word = /head_(\d{1,19})_(\d{1,15})_([0-9a-f]{64})_(\w{1,32})_([0-9a-f]{64})(?!\w)/.exec(
    text,
  );
  if (word === null) return { outcome: 'invalid' };
  const [, id = '', time = '', hash = '', keyId = '', mac = ''] = word;
  const key = keys.find(keyId);
  if (key === undefined) {
    return keys.isForgeable(keyId) ? { outcome: 'invalid' } : { outcome: 'key_missing', keyId };
  }
  const expected = authenticate(key, ['head', installation, id, time, hash]);
  return sameHex(expected, mac) ? { outcome: 'valid', head: { id, hash } } : { outcome: 'invalid' };
}
