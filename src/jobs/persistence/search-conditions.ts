import type { JobErrorCode } from '../job-error.js';
import { isTerminal, JOB_STATUSES } from '../job-status.js';
import type { JobType } from '../job-type.js';

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

/** Bounds the cost of counting in a large table. */
export const MAX_COUNT = 10_000;

/** Cursor of a page. */
export interface Place {
  readonly id: string;
  readonly endedAt: string | null;
}

/** Statements whose union finds the jobs. `$1` is the limit. */
export function armsOf(
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
function idRange(prefix: string): [first: string, last: string] | undefined {
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
