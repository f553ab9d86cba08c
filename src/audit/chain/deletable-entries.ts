import type { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { isAuthentic, type ChainedEntry, type ChainEnds } from '../audit-entry.js';
import type { AuditKeys } from '../audit-keys.js';
import type { ChainProblem } from './chain-state.js';

/** The deletable entries at the beginning of the chain. */
export interface DeletableEntries {
  /** The last entry to delete; `undefined`: none. */
  readonly last: ChainedEntry | undefined;
  readonly count: number;
  /** The entry that blocks the deletion, and why. */
  readonly stoppedBy?: { readonly id: string; readonly problem: ChainProblem };
}

/**
 * The verified entries at the beginning of the chain that are older than `before`. An entry whose key is missing may
 * only be deleted with a later verified one, because the chain proves their order.
 */
export async function findDeletable(
  manager: EntityManager,
  keys: AuditKeys,
  ends: ChainEnds,
  before: Date,
  limit: number,
): Promise<DeletableEntries> {
  const page = await rows<ChainedEntry>(manager, FIRST_ENTRIES, [ends.firstId, limit]);
  let previous = ends.firstHash;
  let expected = BigInt(ends.firstId);
  let last: ChainedEntry | undefined;
  let count = 0;
  let missing: { id: string; problem: ChainProblem } | undefined;
  for (const [n, entry] of page.entries()) {
    if (entry.at >= before) break;
    expected += 1n;
    const key = keys.find(entry.keyId);
    if (key === undefined && !keys.isForgeable(entry.keyId)) {
      missing ??= { id: entry.id, problem: missingKey(entry.keyId) };
    } else if (
      key === undefined ||
      entry.id !== String(expected) ||
      !isAuthentic(key, previous, entry)
    ) {
      return { last, count, stoppedBy: { id: entry.id, problem: CHANGED } };
    } else {
      last = entry;
      count = n + 1;
      missing = undefined;
    }
    previous = entry.hash;
  }
  return { last, count, ...(missing === undefined ? {} : { stoppedBy: missing }) };
}

function missingKey(keyId: string): ChainProblem {
  return {
    code: 'key_missing',
    message: `key ${keyId} missing: AUDIT_KEYS does not hold it`,
    keyId,
  };
}

const CHANGED: ChainProblem = {
  code: 'end_mismatch',
  message: 'an entry at the beginning of the audit was changed; retention does not delete it',
};

const FIRST_ENTRIES = `
  SELECT id, at, kind, data, key_id AS "keyId", hash
    FROM audit_entries WHERE id > $1 ORDER BY id LIMIT $2`;
