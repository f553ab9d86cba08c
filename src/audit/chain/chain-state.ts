import { timingSafeEqual } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { isRecord } from '../../platform/json/is-record.js';
import { macOfEnds, type ChainEnds } from '../audit-entry.js';
import { authenticate, type AuditKey, type AuditKeys } from '../audit-keys.js';
import type { Head, KnownChain } from './known-head.js';

/** A row of `audit_chain`; hashes and MACs are hexadecimal. */
export interface StoredEnds {
  readonly firstId: string;
  readonly firstHash: string;
  readonly lastId: string;
  readonly lastHash: string;
  readonly keys: unknown;
  readonly keyId: string;
  readonly mac: string;
}

/** The row of `installation`: the anchor of the chain. */
export interface StoredAnchor {
  readonly id: string;
  readonly keyId: string;
  readonly mac: string;
}

/** The state of the chain, read in one statement. No value is null, even if a column was made nullable. */
export interface ChainState {
  readonly ends: readonly StoredEnds[];
  readonly anchors: readonly StoredAnchor[];
  readonly newest: Head | null;
  /** The hash of the requested entry. */
  readonly knownHash: string | null;
}

/** A sign of tampering with the chain. */
export type ProblemCode =
  | 'anchor_missing'
  | 'anchor_changed'
  | 'ends_missing'
  | 'ends_changed'
  | 'unkeyed'
  | 'key_missing'
  | 'end_mismatch'
  | 'rolled_back';

export interface ChainProblem {
  readonly code: ProblemCode;
  readonly message: string;
  /** The key that is missing; only of `key_missing`. */
  readonly keyId?: string;
}

/** @param known the entry whose hash is wanted as `knownHash` */
export async function readChainState(
  manager: EntityManager,
  known: Head | undefined,
): Promise<ChainState> {
  const [state] = await rows<ChainState>(manager, SELECT_STATE, [known?.id ?? null]);
  if (state === undefined) throw new Error('the state of the audit cannot be read');
  return state;
}

/** Verifies the ends of the chain and its anchor; `undefined`: no problem. */
export function findProblem(
  keys: AuditKeys,
  state: ChainState,
  known: KnownChain | undefined,
): ChainProblem | undefined {
  const [anchor] = state.anchors;
  if (anchor === undefined || state.anchors.length > 1) {
    return problem('anchor_missing', 'the anchor of the audit (table installation) is missing');
  }
  if (keys.isForgeable(anchor.keyId)) {
    return problem('unkeyed', 'the anchor of the audit (table installation) has no key');
  }
  const anchorKey = keys.find(anchor.keyId);
  if (anchorKey !== undefined && !sameHex(macOfAnchor(anchorKey, anchor.id), anchor.mac)) {
    return problem('anchor_changed', 'the anchor of the audit (table installation) was changed');
  }
  const [ends] = state.ends;
  if (ends === undefined) {
    return problem('ends_missing', 'the ends of the chain (table audit_chain) are missing');
  }
  if (state.ends.length > 1) {
    return problem('ends_changed', 'the table audit_chain has more than one row');
  }
  const wrongEnds = findWrongEnds(keys, anchor.id, ends);
  if (wrongEnds !== undefined && wrongEnds.code !== 'key_missing') return wrongEnds;
  // Ends with a missing key prove nothing, so they must not hide other problems.
  const end = state.newest ?? { id: ends.firstId, hash: ends.firstHash };
  if (end.id !== ends.lastId || end.hash !== ends.lastHash) {
    return problem('end_mismatch', 'the newest entry is not the one that the chain ends with');
  }
  return (known && findForgotten(state, known)) ?? wrongEnds;
}

/** Verifies that the chain still contains the head that this process remembers. */
export function findForgotten(
  { anchors: [anchor], ends: [ends], knownHash }: ChainState,
  known: KnownChain,
): ChainProblem | undefined {
  if (anchor === undefined || ends === undefined) return undefined;
  if (anchor.id === known.installation) return findRollback(ends, knownHash, known);
  // Retention does not exchange the anchor: a chain of another anchor must hold the entry itself.
  return knownHash === known.hash ? undefined : rollback(known);
}

/** Verifies that a holder of the keys wrote the ends for this installation. */
export function findWrongEnds(
  keys: AuditKeys,
  installation: string,
  ends: StoredEnds,
): ChainProblem | undefined {
  if (keys.isForgeable(ends.keyId)) {
    return problem('unkeyed', 'the ends of the chain (table audit_chain) have no key');
  }
  const key = keys.find(ends.keyId);
  if (key === undefined) {
    return {
      code: 'key_missing',
      message: `key ${ends.keyId} missing: AUDIT_KEYS does not hold it`,
      keyId: ends.keyId,
    };
  }
  return sameHex(macOfEnds(key, installation, endsOf(ends)), ends.mac)
    ? undefined
    : problem('ends_changed', 'the ends of the chain (table audit_chain) were changed');
}

/** Verifies that the chain contains `known`, unless retention has deleted it. */
export function findRollback(
  ends: Pick<StoredEnds, 'firstId' | 'firstHash' | 'lastId'>,
  knownHash: string | null,
  known: Head,
): ChainProblem | undefined {
  const id = BigInt(known.id);
  if (BigInt(ends.firstId) > id) return undefined;
  const hash = BigInt(ends.firstId) === id ? ends.firstHash : knownHash;
  if (BigInt(ends.lastId) >= id && hash === known.hash) return undefined;
  return rollback(known);
}

function rollback({ id }: Head): ChainProblem {
  return problem(
    'rolled_back',
    `the chain no longer holds entry ${id} as it was: the database was put back to an earlier state, or exchanged`,
  );
}

export function endsOf({ firstId, firstHash, lastId, lastHash, keys }: StoredEnds): ChainEnds {
  const entries = isRecord(keys) ? Object.entries(keys) : [];
  const usable = entries.filter(([, last]) => /^\d{1,19}$/.test(String(last)));
  return {
    firstId,
    firstHash: Buffer.from(firstHash, 'hex'),
    lastId,
    lastHash: Buffer.from(lastHash, 'hex'),
    keys: Object.fromEntries(usable.map(([id, last]) => [id, String(last)])),
  };
}

export function macOfAnchor(key: AuditKey, id: string): Buffer {
  return authenticate(key, ['anchor', id]);
}

export function sameHex(expected: Buffer, hex: string): boolean {
  const found = Buffer.from(hex, 'hex');
  return expected.length === found.length && timingSafeEqual(expected, found);
}

function problem(code: ProblemCode, message: string): ChainProblem {
  return { code, message };
}

const SELECT_STATE = `
  SELECT (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'firstId', coalesce(first_id, 0)::text,
            'firstHash', coalesce(encode(first_hash, 'hex'), ''),
            'lastId', coalesce(last_id, 0)::text,
            'lastHash', coalesce(encode(last_hash, 'hex'), ''),
            'keys', keys, 'keyId', coalesce(key_id, ''),
            'mac', coalesce(encode(mac, 'hex'), ''))), '[]')
            FROM audit_chain) AS ends,
         (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'id', coalesce(id::text, ''), 'keyId', coalesce(key_id, ''),
            'mac', coalesce(encode(mac, 'hex'), ''))), '[]')
            FROM installation) AS anchors,
         (SELECT jsonb_build_object('id', id::text, 'hash', coalesce(encode(hash, 'hex'), ''))
            FROM audit_entries ORDER BY id DESC LIMIT 1) AS newest,
         (SELECT encode(hash, 'hex') FROM audit_entries WHERE id = $1::bigint LIMIT 1) AS "knownHash"`;
