import { canonicalJson } from '../platform/json/canonical-json.js';
import { authenticate, type AuditKey } from './audit-keys.js';

/**
 * `refused`: a refused callback. `observed`: one that a guard in mode `observe` would have refused, or a genuine one
 * of another environment. `counted`: a number of refusals of one cause beyond the budget. `action`: an admin action.
 * `tampering`: a process found that the chain before this entry was changed.
 */
export const ENTRY_KINDS = ['refused', 'observed', 'counted', 'action', 'tampering'] as const;

export type EntryKind = (typeof ENTRY_KINDS)[number];

/** An entry to append. `data` is JSON without NUL and lone surrogates. */
export interface NewEntry {
  readonly at: Date;
  readonly kind: EntryKind;
  readonly data: Record<string, unknown>;
}

/** An entry of the chain. */
export interface ChainedEntry extends NewEntry {
  readonly id: string;
  readonly keyId: string;
  readonly hash: Buffer;
}

/** The hash before the first entry. */
export const GENESIS = Buffer.alloc(32);

/** The MAC over an entry, its id, and the hash of the entry before it. */
export function hashOf(key: AuditKey, previous: Buffer, id: string, entry: NewEntry): Buffer {
  const { at, kind, data } = entry;
  return authenticate(key, [previous, id, at.toISOString(), kind, canonicalJson(data)]);
}

/** Whether a holder of `key` wrote this entry after `previous`. The values are untrusted. */
export function isAuthentic(key: AuditKey, previous: Buffer, entry: ChainedEntry): boolean {
  // PostgreSQL stores infinite times, and times beyond the range of `Date`.
  const isTime = entry.at instanceof Date && !Number.isNaN(entry.at.getTime());
  return isTime && hashOf(key, previous, entry.id, entry).equals(entry.hash);
}

/** Both ends of the chain: entries up to `firstId` are deleted, and `lastId` is the newest. */
export interface ChainEnds {
  readonly firstId: string;
  readonly firstHash: Buffer;
  readonly lastId: string;
  readonly lastHash: Buffer;
  /** Key ids, each with the id of its last entry. */
  readonly keys: Readonly<Record<string, string>>;
}

/** The MAC over both ends and the `installation` of the database. */
export function macOfEnds(key: AuditKey, installation: string, ends: ChainEnds): Buffer {
  const { firstId, firstHash, lastId, lastHash, keys } = ends;
  const parts = ['ends', installation, firstId, firstHash, lastId, lastHash, canonicalJson(keys)];
  return authenticate(key, parts);
}

/** Chains `entries` after `ends`. */
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
