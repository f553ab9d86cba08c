import type { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import type { ChainedEntry } from '../audit-entry.js';

/** An entry with its search columns, which must match `data`. */
export interface StoredEntry extends ChainedEntry {
  readonly columns: Readonly<Record<string, unknown>>;
  readonly exact: boolean;
}

export const PAGE_SIZE = 2000;

/** The next entries after the one with this id. */
export function readPage(manager: EntityManager, after: string): Promise<StoredEntry[]> {
  return rows<StoredEntry>(manager, PAGE, [after, PAGE_SIZE]);
}

/** The first search column that differs from the value that the migration computes from `data`. */
export function wrongColumn({ data, columns }: StoredEntry): string | undefined {
  const expected: Readonly<Record<string, unknown>> = {
    cause: textOf(data['cause']),
    guard: textOf(data['guard']),
    address: textOf(data['clientAddress']),
    jobId: textOf(data['jobId']) ?? textOf(data['assertedJobId']),
    count: Number(textOf(data['count']) ?? 1),
  };
  return Object.keys(expected).find((name) => columns[name] !== expected[name]);
}

/** Like PostgreSQL's `->>`. */
function textOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const PAGE = `
  SELECT id, at, kind, data, key_id AS "keyId", hash,
         at = date_trunc('milliseconds', at) AS exact,
         jsonb_build_object('cause', cause, 'guard', guard, 'address', address, 'jobId', job_id,
                            'count', count) AS columns
    FROM audit_entries WHERE id > $1 ORDER BY id LIMIT $2`;
