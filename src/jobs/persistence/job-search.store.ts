import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository, type EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import type { JobErrorCode } from '../job-error.js';
import type { OpenJobs } from './job-queries.store.js';
import { countOpenJobs } from './job-queries.store.js';
import { isTerminal, JOB_STATUSES, type JobStatus } from '../job-status.js';
import type { JobType } from '../job-type.js';
import { Job, type SettledBy } from '../job.entity.js';

export const SEARCHED_STATUSES = [...JOB_STATUSES, 'unsuccessful'] as const;

/** `unsuccessful`: failed or expired. */
export type SearchedStatus = (typeof SEARCHED_STATUSES)[number];

/** Filter for jobs of any service; all conditions must hold. */
export interface JobSearch {
  /** Prefix of the gateway’s or Reducto’s id. */
  readonly id?: string;
  readonly service?: string;
  readonly upstreamId?: string;
  readonly status?: SearchedStatus;
  readonly type?: JobType;
  readonly code?: JobErrorCode;
  /** When the job was accepted. */
  readonly accepted?: Period;
  /** When the job ended; also sorts by it. */
  readonly ended?: Period;
  /** Only jobs after this one in the order of the list. */
  readonly before?: string;
}

/** `to` is not included. */
export interface Period {
  readonly from?: Date;
  readonly to?: Date;
}

/** `more`: counting stopped at the limit. */
export interface JobCount {
  readonly count: number;
  readonly more: boolean;
}

/** How jobs ended in a period. */
export interface EndedJobs {
  readonly total: number;
  /** False if there were more; these are the last ones. */
  readonly complete: boolean;
  /** When the first of them ended, if the list is not complete. */
  readonly firstAt: Date | null;
  readonly byStatus: Readonly<Partial<Record<JobStatus, number>>>;
  readonly bySettledBy: Readonly<Partial<Record<SettledBy, number>>>;
  /** Why jobs failed or expired, the most frequent reason first. */
  readonly reasons: readonly { readonly code: string; readonly count: number }[];
  /** Seconds from the first callback for a job to its end; `null` without callbacks. */
  readonly callbackLag: { readonly median: number; readonly p95: number } | null;
}

/** Open and ended jobs, as of one moment. */
export interface JobsOverview {
  readonly open: readonly OpenJobs[];
  readonly ended: EndedJobs;
}

/** Bounds the cost of counting in a large table. */
const MAX_COUNT = 10_000;
const MAX_SERVICES = 500;

/** Searches and statistics over jobs of all services, for admins. */
@Injectable()
export class JobSearchStore {
  constructor(@InjectRepository(Job) private readonly jobs: Repository<Job>) {}

  /** Newest first; with `ended`, last ended first. */
  async searchJobs(search: JobSearch, limit: number): Promise<Job[]> {
    const { before, ended } = search;
    const after = before === undefined ? undefined : await this.placeOf(before);
    const { arms, values } = armsOf(search, after);
    const order = ended === undefined ? 'id DESC' : 'ended_at DESC, id DESC';
    const found = arms.map((arm) => `(${arm} ORDER BY ${order} LIMIT $1)`).join(' UNION ');
    const ids = await rows<{ id: string }>(
      this.jobs.manager,
      `SELECT id FROM (${found}) AS found ORDER BY ${order} LIMIT $1`,
      [limit, ...values],
    );
    const jobs = await this.jobs.findBy({ id: In(ids.map(({ id }) => id)) });
    const byId = new Map(jobs.map((job) => [job.id, job]));
    return ids.flatMap(({ id }) => byId.get(id) ?? []);
  }

  async countJobs(search: JobSearch): Promise<JobCount> {
    const { arms, values } = armsOf(search, undefined);
    const found = arms.map((arm) => `(${arm} LIMIT $1)`).join(' UNION ');
    const [counted] = await rows<{ count: number }>(
      this.jobs.manager,
      `SELECT count(*)::integer AS count FROM (SELECT 1 FROM (${found}) AS found LIMIT $1) AS counted`,
      [MAX_COUNT + 1, ...values],
    );
    const count = counted?.count ?? 0;
    return { count: Math.min(count, MAX_COUNT), more: count > MAX_COUNT };
  }

  /** Services that have jobs, by an index skip scan. */
  async listServices(): Promise<string[]> {
    const found = await rows<{ service: string }>(this.jobs.manager, SERVICES, [MAX_SERVICES]);
    return found.map(({ service }) => service);
  }

  /** Reads one snapshot, so that no job counts twice; at most the last `limit` ended jobs. */
  readOverview(period: Required<Period>, limit: number): Promise<JobsOverview> {
    return this.jobs.manager.transaction('REPEATABLE READ', async (manager) => ({
      open: await countOpenJobs(manager.getRepository(Job)),
      ended: await describeEnds(manager, period, limit),
    }));
  }

  private async placeOf(id: string): Promise<Place> {
    const [found] = await rows<{ endedAt: string | null }>(
      this.jobs.manager,
      // As text: a `Date` has no microseconds.
      `SELECT ended_at::text AS "endedAt" FROM jobs WHERE id = $1`,
      [id],
    );
    return { id, endedAt: found?.endedAt ?? null };
  }
}

/** Cursor of a page. */
interface Place {
  readonly id: string;
  readonly endedAt: string | null;
}

/** Statements whose union finds the jobs. `$1` is the limit. */
function armsOf(
  search: JobSearch,
  after: Place | undefined,
): { arms: string[]; values: unknown[] } {
  const values: unknown[] = [];
  const value = (given: unknown): string => `$${values.push(given) + 1}`;
  const conditions = [...conditionsOf(search, value), ...afterOf(search, after, value)];
  const select = (more: readonly string[], fence = ''): string => {
    const where = [...conditions, ...more];
    const all = where.length === 0 ? '' : ` WHERE ${where.join(' AND ')}`;
    const found = `SELECT id, ended_at FROM jobs${all}`;
    return fence === '' ? found : `SELECT id, ended_at FROM (${found}${fence}) AS found`;
  };
  if (search.id === undefined) {
    // Without the fence, PostgreSQL may read all newer jobs in the order of their ids.
    const isClosed = search.accepted?.from !== undefined && search.accepted.to !== undefined;
    return { arms: [select([], isClosed ? ' OFFSET 0' : '')], values };
  }
  const range = idRange(search.id);
  const own =
    range === undefined ? [] : [select([`id BETWEEN ${value(range[0])} AND ${value(range[1])}`])];
  const prefix = search.id.replace(/[\\%_]/g, '\\$&');
  const upstream = select([`upstream_id LIKE ${value(`${prefix}%`)}`], ` LIMIT ${MAX_COUNT + 1}`);
  return { arms: [...own, upstream], values };
}

function conditionsOf(search: JobSearch, value: (given: unknown) => string): string[] {
  const { service, upstreamId, status, type, code, accepted = {}, ended } = search;
  const where: string[] = [];
  if (service !== undefined) where.push(`service = ${value(service)}`);
  if (upstreamId !== undefined) where.push(`upstream_id = ${value(upstreamId)}`);
  if (type !== undefined) where.push(`type = ${value(type)}`);
  if (code !== undefined) where.push(`error IS NOT NULL AND error->>'code' = ${value(code)}`);
  if (status !== undefined) where.push(statusCondition(status));
  if (accepted.from !== undefined) where.push(`created_at >= ${value(accepted.from)}`);
  if (accepted.to !== undefined) where.push(`created_at < ${value(accepted.to)}`);
  if (ended !== undefined) where.push('ended_at IS NOT NULL');
  if (ended?.from !== undefined) where.push(`ended_at >= ${value(ended.from)}`);
  if (ended?.to !== undefined) where.push(`ended_at < ${value(ended.to)}`);
  return where;
}

/** The redundant conditions match partial indexes. */
function statusCondition(status: SearchedStatus): string {
  if (status === 'unsuccessful') {
    return `status IN ('failed', 'expired') AND status <> 'completed' AND ended_at IS NOT NULL`;
  }
  if (status === 'completed') return `status = 'completed' AND ended_at IS NOT NULL`;
  return isTerminal(status)
    ? `status = '${status}' AND status <> 'completed' AND ended_at IS NOT NULL`
    : `status = '${status}' AND next_check_at IS NOT NULL`;
}

function afterOf(
  { ended }: JobSearch,
  after: Place | undefined,
  value: (given: unknown) => string,
): string[] {
  if (after === undefined) return [];
  const id = value(after.id);
  if (ended === undefined) return [`id < ${id}`];
  if (after.endedAt === null) return ['false'];
  const at = value(after.endedAt);
  return [`ended_at <= ${at}`, `(ended_at, id) < (${at}::timestamptz, ${id}::uuid)`];
}

/** First and last UUID with `prefix`; `undefined` if it is no prefix of a UUID. */
export function idRange(prefix: string): [first: string, last: string] | undefined {
  const shape = 'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx';
  const given = prefix.toLowerCase();
  const digits = given.replaceAll('-', '');
  if (!/^[0-9a-f]{1,32}$/.test(digits)) return undefined;
  const filled = (digit: string): string => {
    let next = 0;
    return shape.replaceAll('x', () => digits[next++] ?? digit);
  };
  // Dashes are optional, but only in their places.
  if (given !== digits && !filled('0').startsWith(given)) return undefined;
  return [filled('0'), filled('f')];
}

interface EndGroup {
  /** Bit mask of `grouping()`: status, settled_by, code. */
  readonly level: number;
  readonly status: JobStatus | null;
  readonly settledBy: SettledBy | null;
  readonly code: string | null;
  readonly count: number;
  readonly firstAt: Date;
  readonly median: number | null;
  readonly p95: number | null;
}

const ALL = 0b111;

async function describeEnds(
  manager: EntityManager,
  { from, to }: Required<Period>,
  limit: number,
): Promise<EndedJobs> {
  const groups = await rows<EndGroup>(manager, ENDS, [from, to, limit]);
  const all = groups.find(({ level }) => level === ALL);
  const total = all?.count ?? 0;
  const complete = total < limit;
  const counts = (name: 'status' | 'settledBy'): Record<string, number> =>
    Object.fromEntries(
      groups.flatMap((group) => (group[name] === null ? [] : [[group[name], group.count]])),
    );
  const { median = null, p95 = null } = all ?? {};
  return {
    total,
    complete,
    firstAt: complete ? null : (all?.firstAt ?? null),
    byStatus: counts('status'),
    bySettledBy: counts('settledBy'),
    reasons: groups
      .flatMap(({ code, count }) => (code === null ? [] : [{ code, count }]))
      .toSorted((one, other) => other.count - one.count || one.code.localeCompare(other.code)),
    callbackLag: median === null || p95 === null ? null : { median, p95 },
  };
}

const ENDS = `
  SELECT grouping(status, settled_by, code) AS level, status, settled_by AS "settledBy", code,
         count(*)::integer AS count, min(ended_at) AS "firstAt",
         percentile_cont(0.5) WITHIN GROUP (ORDER BY lag) AS median,
         percentile_cont(0.95) WITHIN GROUP (ORDER BY lag) AS p95
    FROM (SELECT status, settled_by, ended_at,
                 CASE WHEN status IN ('failed', 'expired') THEN error->>'code' END AS code,
                 extract(epoch FROM ended_at - callback_received_at)::double precision AS lag
            FROM jobs
           WHERE ended_at >= $1 AND ended_at < $2
           ORDER BY ended_at DESC LIMIT $3) AS recent
   GROUP BY GROUPING SETS ((), (status), (settled_by), (code))`;

const SERVICES = `
  WITH RECURSIVE found AS (
    (SELECT service FROM jobs ORDER BY service LIMIT 1)
    UNION ALL
    SELECT (SELECT service FROM jobs WHERE service > found.service ORDER BY service LIMIT 1)
      FROM found WHERE found.service IS NOT NULL)
  SELECT service FROM found WHERE service IS NOT NULL LIMIT $1`;
