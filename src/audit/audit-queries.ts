import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';
import type { EntryKind } from './audit-entry.js';
import type { GuardName, RefusalCause } from './refusal.js';

/** Which refusals; everything is optional and all must hold. */
export interface RefusalFilter {
  readonly ids?: readonly string[];
  readonly cause?: RefusalCause;
  readonly guard?: GuardName;
  readonly address?: string;
  /** The gateway's id of a job or Reducto's. */
  readonly job?: string;
  readonly outcome?: 'refused' | 'observed';
  readonly from?: Date;
  readonly to?: Date;
}

/** An entry as it is read. */
export interface AuditEntry {
  readonly id: string;
  readonly at: Date;
  readonly kind: EntryKind;
  readonly data: Record<string, unknown>;
  /** Whether what a re-check needs is still there. */
  readonly sealed: boolean;
}

/** A refusal whose original is kept. */
export interface StoredRawRequest extends AuditEntry {
  readonly keyId: string;
  readonly rawRequest: Buffer;
}

export interface RefusalSummary {
  readonly stored: number;
  readonly counted: number;
  readonly observed: number;
  readonly byCause: Readonly<Record<string, number>>;
}

export interface TimeSlot {
  readonly at: Date;
  readonly cause: string;
  readonly count: number;
}

/** All that is read from the audit, but for its verification. */
@Injectable()
export class AuditQueries {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** The newest first, before `cursor`. Entries that only count are among them unless a job is asked for. */
  listEntries(
    filter: RefusalFilter,
    cursor: string | undefined,
    limit: number,
  ): Promise<AuditEntry[]> {
    const { where, values } = conditions(filter);
    if (cursor !== undefined) where.push(`id < $${values.push(cursor)}`);
    return rows<AuditEntry>(
      this.database,
      `SELECT ${COLUMNS} FROM audit_entries WHERE ${where.join(' AND ')}
        ORDER BY id DESC LIMIT $${values.push(limit)}`,
      values,
    );
  }

  async findEntry(id: string): Promise<AuditEntry | undefined> {
    const [entry] = await rows<AuditEntry>(
      this.database,
      `SELECT ${COLUMNS} FROM audit_entries WHERE id = $1`,
      [id],
    );
    return entry;
  }

  /** Exact, however many were only counted. A count is of its cause and guard as a whole, not of one address. */
  async summarizeRefusals(filter: RefusalFilter): Promise<RefusalSummary> {
    const { where, values } = conditions(filter);
    const found = await rows<{ kind: string; outcome: string; cause: string; count: number }>(
      this.database,
      `SELECT kind, cause, sum(${countOf(filter, values)})::float8 AS count,
              coalesce(data->>'outcome', kind) AS outcome
         FROM audit_entries WHERE ${where.join(' AND ')}
        GROUP BY kind, cause, coalesce(data->>'outcome', kind)`,
      values,
    );
    const sum = (wanted: (row: (typeof found)[number]) => boolean): number =>
      found.filter(wanted).reduce((total, { count }) => total + count, 0);
    const refused = found.filter(({ outcome }) => outcome === 'refused');
    const causes = [...new Set(refused.map(({ cause }) => cause))];
    return {
      stored: sum(({ kind }) => kind === 'refused'),
      counted: sum(({ kind, outcome }) => kind === 'counted' && outcome === 'refused'),
      observed: sum(({ outcome }) => outcome === 'observed'),
      byCause: Object.fromEntries(
        causes.map((cause) => [
          cause,
          sum((row) => row.outcome === 'refused' && row.cause === cause),
        ]),
      ),
    };
  }

  /** Refusals per cause and slot of `slotSeconds` from `from` to `to`, for a chart. */
  countPerSlot(from: Date, to: Date, slotSeconds: number): Promise<TimeSlot[]> {
    return rows<TimeSlot>(
      this.database,
      `SELECT date_bin(make_interval(secs => $3), at, 'epoch'::timestamptz) AS at, cause,
              sum(count)::float8 AS count
         FROM audit_entries
        WHERE at >= $1 AND at < $2 AND kind IN ('refused', 'counted')
          AND coalesce(data->>'outcome', kind) = 'refused'
        GROUP BY 1, 2 ORDER BY 1`,
      [from, to, slotSeconds],
    );
  }

  /** What admins did, the newest first. */
  listActions(cursor: string | undefined, limit: number): Promise<AuditEntry[]> {
    const values: unknown[] = [limit];
    const before = cursor === undefined ? '' : `AND id < $${values.push(cursor)}`;
    return rows<AuditEntry>(
      this.database,
      `SELECT ${COLUMNS} FROM audit_entries WHERE kind = 'action' ${before}
        ORDER BY id DESC LIMIT $1`,
      values,
    );
  }

  /** The sealed originals of refusals that match, the oldest first, after `after`. */
  readRawRequests(
    filter: RefusalFilter,
    after: string,
    limit: number,
  ): Promise<StoredRawRequest[]> {
    const { where, values } = conditions(filter);
    where.push(`id > $${values.push(after)}`);
    return rows(
      this.database,
      `SELECT ${COLUMNS}, original.key_id AS "keyId", original.sealed AS "rawRequest"
         FROM audit_entries JOIN audit_originals original ON original.entry_id = id
        WHERE ${where.join(' AND ')} ORDER BY id LIMIT $${values.push(limit)}`,
      values,
    );
  }
}

const COLUMNS = `id, audit_entries.at, kind, data,
  EXISTS (SELECT 1 FROM audit_originals o WHERE o.entry_id = id) AS sealed`;

function conditions({ ids, cause, guard, address, job, outcome, from, to }: RefusalFilter): {
  where: string[];
  values: unknown[];
} {
  const values: unknown[] = [];
  const where = [`kind IN ('refused', 'observed', 'counted')`];
  const add = (condition: (parameter: string) => string, value: unknown): void => {
    where.push(condition(`$${values.push(value)}`));
  };
  if (ids !== undefined) add((value) => `id = ANY (${value}::bigint[])`, ids);
  if (cause !== undefined) add((value) => `cause = ${value}`, cause);
  if (guard !== undefined) add((value) => `guard = ${value}`, guard);
  // A count names its addresses in `data`.
  if (address !== undefined) {
    add((value) => `(address = ${value} OR data->'addresses' ? ${value})`, address);
  }
  if (job !== undefined) {
    add((value) => `(job_id = ${value} OR data->>'assertedUpstreamId' = ${value})`, job);
  }
  if (outcome !== undefined) add((value) => `coalesce(data->>'outcome', kind) = ${value}`, outcome);
  if (from !== undefined) add((value) => `audit_entries.at >= ${value}`, from);
  if (to !== undefined) add((value) => `audit_entries.at < ${value}`, to);
  return { where, values };
}

/** Of a count, only the part that comes from the address that is asked for. */
function countOf({ address }: RefusalFilter, values: unknown[]): string {
  if (address === undefined) return 'count';
  return `coalesce((data->'addresses'->>$${values.push(address)})::integer, count)`;
}
