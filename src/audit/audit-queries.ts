import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';
import type { EntryKind } from './audit-entry.js';
import {
  conditions,
  countOf,
  type RefusalFilter,
  type RepeatKey,
} from './refusals/refusal-filter.js';

export type { RefusalFilter } from './refusals/refusal-filter.js';

/** Repeats of one refused callback; an entry that counts many refusals stays alone. */
export interface RefusalGroup {
  /** Of the newest entry. */
  readonly id: string;
  readonly count: number;
  readonly firstAt: Date;
  readonly lastAt: Date;
}

/** A part of the groups of a window: of the newest matching entries before a cursor. */
export interface RefusalGroups {
  readonly groups: readonly RefusalGroup[];
  /** Groups and entries in the whole window. */
  readonly totalGroups: number;
  readonly entries: number;
  /** The ids of the newest and the oldest entry in the window; absent where it is empty. */
  readonly newestId?: string;
  readonly oldestId?: string;
}

/** A stored entry. */
export interface AuditEntry {
  readonly id: string;
  readonly at: Date;
  readonly kind: EntryKind;
  readonly data: Record<string, unknown>;
  /** Whether the raw request for a re-check is still stored. */
  readonly hasRawRequest: boolean;
}

/** A refusal with its encrypted raw request. */
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

/** A filter of admin actions. The record contains `text`, such as an id or a service. */
export interface ActionFilter {
  readonly action?: string;
  readonly text?: string;
}

interface GroupPlace {
  readonly cursor: string | undefined;
  /** Groups of the window that earlier pages show. */
  readonly skip: number;
  readonly limit: number;
  readonly window: number;
}

/** All reads of the audit except its verification. */
@Injectable()
export class AuditQueries {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** Newest first, before `cursor`. Includes counts, unless the filter names a job. */
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

  /** Groups the newest `window` matching entries before `cursor`, the group with the newest entry first. */
  async listGroups(
    filter: RefusalFilter,
    { cursor, skip, limit, window }: GroupPlace,
  ): Promise<RefusalGroups> {
    const { where, values } = conditions(filter);
    if (cursor !== undefined) where.push(`id < $${values.push(cursor)}`);
    const found = await rows<RefusalGroup & Required<Omit<RefusalGroups, 'groups'>>>(
      this.database,
      `SELECT max(id) AS id, count(*)::integer AS count, min(at) AS "firstAt", max(at) AS "lastAt",
              (count(*) OVER ())::integer AS "totalGroups",
              (sum(count(*)) OVER ())::integer AS entries,
              max(max(id)) OVER () AS "newestId", min(min(id)) OVER () AS "oldestId"
         FROM (SELECT id, audit_entries.at, kind, cause, address, job_id,
                      data->>'assertedUpstreamId' AS upstream_id
                 FROM audit_entries WHERE ${where.join(' AND ')}
                ORDER BY id DESC LIMIT $${values.push(window)}) AS recent
        GROUP BY kind, cause, address, job_id, upstream_id, CASE kind WHEN 'counted' THEN id END
        ORDER BY max(id) DESC LIMIT $${values.push(limit)} OFFSET $${values.push(skip)}`,
      values,
    );
    const groups = found.map(({ id, count, firstAt, lastAt }) => ({ id, count, firstAt, lastAt }));
    const { totalGroups = 0, entries = 0, newestId, oldestId } = found[0] ?? {};
    return newestId === undefined || oldestId === undefined
      ? { groups, totalGroups, entries }
      : { groups, totalGroups, entries, newestId, oldestId };
  }

  /** What repeats of the refusal `id` have in common with it; `undefined` where it is not one. */
  async findRepeatKey(id: string): Promise<RepeatKey | undefined> {
    const [key] = await rows<RepeatKey>(
      this.database,
      `SELECT kind, cause, address, job_id AS "jobId", data->>'assertedUpstreamId' AS "upstreamId"
         FROM audit_entries WHERE id = $1 AND kind IN ('refused', 'observed')`,
      [id],
    );
    return key;
  }

  async findEntry(id: string): Promise<AuditEntry | undefined> {
    const [entry] = await rows<AuditEntry>(
      this.database,
      `SELECT ${COLUMNS} FROM audit_entries WHERE id = $1`,
      [id],
    );
    return entry;
  }

  /** Exact, including counted refusals. A count covers a cause and guard, not a single address. */
  async summarizeRefusals(filter: RefusalFilter): Promise<RefusalSummary> {
    const values: unknown[] = [];
    const stored = conditions(filter, 'stored', values).where.join(' AND ');
    const counted = conditions(filter, 'counted', values).where.join(' AND ');
    // Reads `data` only of counts; an index covers the other entries.
    const found = await rows<{ kind: string; outcome: string; cause: string; count: number }>(
      this.database,
      `SELECT kind, cause, count(*)::float8 AS count, kind AS outcome
         FROM audit_entries WHERE ${stored} GROUP BY kind, cause
        UNION ALL
       SELECT kind, cause, sum(${countOf(filter, values)})::float8 AS count,
              coalesce(data->>'outcome', kind) AS outcome
         FROM audit_entries WHERE ${counted}
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

  /** Counts refusals per cause and slot, for a chart. */
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

  /** Admin actions, newest first. */
  listActions(
    cursor: string | undefined,
    limit: number,
    { action, text }: ActionFilter = {},
  ): Promise<AuditEntry[]> {
    const values: unknown[] = [limit];
    const where = [`kind = 'action'`];
    if (cursor !== undefined) where.push(`id < $${values.push(cursor)}`);
    if (action !== undefined) where.push(`data->>'action' = $${values.push(action)}`);
    if (text !== undefined) {
      where.push(`strpos(lower(data::text), lower($${values.push(text)}::text)) > 0`);
    }
    return rows<AuditEntry>(
      this.database,
      `SELECT ${COLUMNS} FROM audit_entries WHERE ${where.join(' AND ')}
        ORDER BY id DESC LIMIT $1`,
      values,
    );
  }

  /** The ids of the `started` entries of the first `limit` outcomes, from the entry `from` on. */
  async listStartsOfOutcomes(from: string, limit: number): Promise<string[]> {
    const found = await rows<{ intent: string }>(
      this.database,
      `SELECT data->>'intent' AS intent FROM audit_entries
        WHERE kind = 'action' AND id >= $1 AND data->>'intent' IS NOT NULL ORDER BY id LIMIT $2`,
      [from, limit],
    );
    return found.map(({ intent }) => intent);
  }

  /** Raw requests of matching refusals, oldest first, after `after`. */
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
  EXISTS (SELECT 1 FROM audit_originals o WHERE o.entry_id = id) AS "hasRawRequest"`;
