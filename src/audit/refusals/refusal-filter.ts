import { GUARD_OF_CAUSE, REFUSAL_CAUSES, type GuardName, type RefusalCause } from '../refusal.js';

/** A filter of refusals; all given fields must match. */
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
  readonly repeatsOf?: RepeatKey;
}

/** What repeats of one refused callback have in common. */
export interface RepeatKey {
  readonly kind: 'refused' | 'observed';
  readonly cause: string;
  readonly address: string | null;
  readonly jobId: string | null;
  readonly upstreamId: string | null;
}

const KINDS = {
  all: `kind IN ('refused', 'observed', 'counted')`,
  stored: `kind IN ('refused', 'observed')`,
  counted: `kind = 'counted'`,
} as const;

/** Every part that can be rare names a column of an index, since these are searched among millions of entries. */
export function conditions(
  filter: RefusalFilter,
  part: keyof typeof KINDS = 'all',
  values: unknown[] = [],
): { where: string[]; values: unknown[] } {
  const { ids, cause, guard, address, job, outcome, from, to, repeatsOf } = filter;
  const where: string[] = [KINDS[part]];
  const add = (condition: (parameter: string) => string, value: unknown): void => {
    where.push(condition(`$${values.push(value)}`));
  };
  if (ids !== undefined) add((value) => `id = ANY (${value}::bigint[])`, ids);
  if (cause !== undefined) add((value) => `cause = ${value}`, cause);
  if (guard !== undefined) {
    add((value) => `guard = ${value}`, guard);
    const causes = REFUSAL_CAUSES.filter((each) => GUARD_OF_CAUSE[each] === guard);
    add((value) => `cause = ANY (${value}::text[])`, causes);
  }
  // Counts store addresses and outcome in `data`.
  const either = (stored: string, counted: string): string => {
    if (part === 'stored') return stored;
    return part === 'counted' ? counted : `(${stored} OR (kind = 'counted' AND ${counted}))`;
  };
  if (address !== undefined) {
    add((value) => either(`address = ${value}`, `data->'addresses' ? ${value}`), address);
  }
  // An array, because PostgreSQL reads the whole primary key for an OR with ORDER BY id LIMIT.
  if (job !== undefined) {
    add(
      (value) => `id = ANY (ARRAY(
        SELECT id FROM audit_entries WHERE job_id = ${value}
         UNION SELECT id FROM audit_entries WHERE data->>'assertedUpstreamId' = ${value}))`,
      job,
    );
  }
  if (outcome !== undefined) {
    add((value) => either(`kind = ${value}`, `data->>'outcome' = ${value}`), outcome);
  }
  if (from !== undefined) add((value) => `audit_entries.at >= ${value}`, from);
  if (to !== undefined) add((value) => `audit_entries.at < ${value}`, to);
  if (repeatsOf !== undefined) {
    const same = (column: string, value: string | null): void => {
      if (value === null) where.push(`${column} IS NULL`);
      else add((parameter) => `${column} = ${parameter}`, value);
    };
    same('kind', repeatsOf.kind);
    same('cause', repeatsOf.cause);
    same('address', repeatsOf.address);
    same('job_id', repeatsOf.jobId);
    same(`data->>'assertedUpstreamId'`, repeatsOf.upstreamId);
  }
  return { where, values };
}

/** The part of a count that comes from the filtered address. */
export function countOf({ address }: RefusalFilter, values: unknown[]): string {
  if (address === undefined) return 'count';
  return `coalesce((data->'addresses'->>$${values.push(address)})::integer, count)`;
}
