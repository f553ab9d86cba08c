import { canonicalJson } from '../platform/json/canonical-json.js';
import { authenticate, type AuditKey } from './audit-keys.js';

/**
 * `refused`: one callback that was refused. `observed`: one that a guard would have refused if its mode
 * were not `observe`, or a genuine one that is not for this gateway. `counted`: so many of one cause, too
 * fast to be kept one by one. `action`: what an admin did. `tampering`: a process found that the chain
 * before this entry is not as it was written.
 */
export const ENTRY_KINDS = ['refused', 'observed', 'counted', 'action', 'tampering'] as const;

export type EntryKind = (typeof ENTRY_KINDS)[number];

/** An entry as it is handed in. `data` is JSON, and holds neither NUL nor lone surrogates. */
export interface NewEntry {
  readonly at: Date;
  readonly kind: EntryKind;
  readonly data: Record<string, unknown>;
}

/** An entry in its place in the chain. */
export interface ChainedEntry extends NewEntry {
  readonly id: string;
  readonly keyId: string;
  readonly hash: Buffer;
}

/** The hash before the very first entry. */
export const GENESIS = Buffer.alloc(32);

/** Binds an entry to its place and to everything before it. */
export function hashOf(key: AuditKey, previous: Buffer, id: string, entry: NewEntry): Buffer {
  const { at, kind, data } = entry;
  return authenticate(key, [previous, id, at.toISOString(), kind, canonicalJson(data)]);
}

/** Is this entry as a holder of `key` wrote it after `previous`? Somebody else may have stored values of any kind. */
export function isAuthentic(key: AuditKey, previous: Buffer, entry: ChainedEntry): boolean {
  // PostgreSQL has times that are infinite, or later than a `Date` can be.
  const isTime = entry.at instanceof Date && !Number.isNaN(entry.at.getTime());
  return isTime && hashOf(key, previous, entry.id, entry).equals(entry.hash);
}

/** Both ends of the chain: entries up to `firstId` have been retired, and `lastId` is the newest. */
export interface ChainEnds {
  readonly firstId: string;
  readonly firstHash: Buffer;
  readonly lastId: string;
  readonly lastHash: Buffer;
  /** The ids of the keys that entries were written with, each with the id of the last such entry. */
  readonly keys: Readonly<Record<string, string>>;
}

/** Binds the ends to each other and to the database (`installation`) that they belong to. */
export function macOfEnds(key: AuditKey, installation: string, ends: ChainEnds): Buffer {
  const { firstId, firstHash, lastId, lastHash, keys } = ends;
  const parts = ['ends', installation, firstId, firstHash, lastId, lastHash, canonicalJson(keys)];
  return authenticate(key, parts);
}

/** Gives `entries` their places after `ends`. */
export function chain(
  key: AuditKey,
  ends: ChainEnds,
  entries: readonly NewEntry[],
): { chained: ChainedEntry[]; ends: ChainEnds } {
  let { lastId, lastHash } = ends;
  const chained = entries.map((entry) => {
    lastId = String(BigInt(lastId) + 1n);
    lastHash = hashOf(key, lastHash, lastId, entry);
    return { ...entry, id: lastId, keyId: key.id, hash: lastHash };
  });
  const keys = chained.length === 0 ? ends.keys : { ...ends.keys, [key.id]: lastId };
  return { chained, ends: { ...ends, lastId, lastHash, keys } };
}
