import { canonicalJson } from '../platform/json/canonical-json.js';
import { authenticate, type AuditKey } from './audit-keys.js';
import { printable } from './redacted-request.js';

/**
 * `refused`: a refused callback. `observed`: one that a guard in mode `observe` would have refused, or a genuine one
 * of another environment. `counted`: a number of refusals of one cause beyond the budget. `action`: one of an admin, or the deletion of a job by
 * its service.
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

/** `started`: recorded before it is done; a second entry, `done` or `failed`, names it in `intent`. */
export type ActionState = 'started' | 'done' | 'failed';

/** The owner of an API key, the user of a command, or the gateway. */
export interface Actor {
  /** Empty for a command, for the gateway, or without a valid key. */
  readonly keyId: string;
  /** The service of the key; for a command, the user of the operating system. */
  readonly service: string;
  /** `sdk`: the surface for Reducto's SDKs. `gateway`: nobody asked for it. */
  readonly via: 'api' | 'sdk' | 'console' | 'command' | 'gateway';
}

export interface ActionRecord {
  readonly actor: Actor;
  readonly action: string;
  readonly state: ActionState;
  readonly detail: Readonly<Record<string, unknown>>;
  /** Why it failed. */
  readonly reason?: string;
  /** The id of the entry `started`. */
  readonly intent?: string;
}

export function actionEntry(
  { detail, ...action }: ActionRecord,
  at: Date = new Date(),
  count = 1,
): NewEntry {
  const counted = count === 1 ? {} : { count };
  const data = { ...action, actor: { ...action.actor }, ...counted };
  const shown: Record<string, unknown> = JSON.parse(
    JSON.stringify({ ...data, detail: { ...detail } }, asPrintable),
  );
  return { at, kind: 'action', data: shown };
}

/** The input of actors is untrusted, too. */
function asPrintable(_name: string, value: unknown): unknown {
  return typeof value === 'string' ? printable(value, 300) : value;
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
