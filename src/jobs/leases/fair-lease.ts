import type { Statement } from '../../platform/database/sql.js';
import { FIRST_COLUMNS } from './refused-jobs.js';
import type { Scan } from './scan-choice.js';

/** The number of parameters that come from `FairShares`. */
export const FAIR_PARAMETERS = 7;

/** Both ways to make the same lease, by what they read; see `ScanChoice`. */
export type FairStatements = Readonly<Record<Scan, Statement>>;

/** What differs between the kinds of work whose slots the services share. */
export interface FairLease {
  readonly status: 'queued' | 'submitted';
  /** Boolean column of jobs that go first. */
  readonly urgent: 'priority' | 'poll_requested';
  /**
   * `service`: urgent jobs go first within their service, and one slot in five is for a regular job. `all`: urgent jobs
   * of every service go before regular ones.
   */
  readonly urgentWithin: 'service' | 'all';
  /** Condition on due jobs. */
  readonly condition?: string;
  /**
   * What `services.max_in_flight` means. `none`: nothing. `locked`: the rows with limits are locked, so that the jobs in
   * flight can be counted. `unlocked`: nothing is planned if a service with a limit has due jobs.
   */
  readonly limits: 'none' | 'locked' | 'unlocked';
}

/** Job columns of the answer, and how the leased rows change. */
export interface LeaseUpdate {
  readonly set: string;
  readonly returning: string;
}

/**
 * Leases up to $1 due jobs of all services in one statement. $1 to $7 are the parameters of `FairShares`.
 *
 * - `service`: the services, by a loose scan of an index.
 * - `due`: counts up to $1 due rows of each.
 * - `plan`: divides the slots by start tags; of equal ones, the service that was idle is first.
 * - `taken`: locks that many rows of each service, and skips locked ones.
 */
export function fairLease(name: string, kind: FairLease, update: LeaseUpdate): FairStatements {
  const statement = (scan: Scan): Statement => ({
    name: `${name}-${scan}`,
    text: `
  ${selectionOf(kind, scan)},
  leased AS (
    UPDATE jobs SET ${update.set}
     WHERE id = ANY (ARRAY(SELECT id FROM taken))
    RETURNING ${update.returning})
  SELECT due.service AS "turnOf", weight, start, coalesce(planned, 0) AS planned,
         urgent_count + regular_count > 0 AS "isDue",
         max_in_flight IS NOT NULL AS "isLimited", ${boundOf('urgent')}, ${boundOf('regular')},
         (${SAFE_BOUND})::text AS "idleFrom", coalesce(taken.urgent, false) AS urgent, leased.*
    FROM due LEFT JOIN (SELECT service, planned FROM plan) AS planned USING (service)
    LEFT JOIN taken ON taken.service = due.service
    LEFT JOIN leased ON leased.id = taken.id
   WHERE is_new OR urgent_count + regular_count > 0
   ORDER BY taken.due_at, taken.id`,
  });
  return { live: statement('live'), bounded: statement('bounded') };
}

/** The job that the lease with the same parameters takes first, locked. */
export function firstOfFairLease(name: string, kind: FairLease): Statement {
  return {
    name,
    text: `${selectionOf(kind, 'live')}
  SELECT ${FIRST_COLUMNS} FROM taken JOIN jobs USING (id) ORDER BY due_at, id LIMIT 1`,
  };
}

/** The same update of the job $1, which the transaction has locked. */
export function leaseOne(name: string, { set, returning }: LeaseUpdate): Statement {
  return { name, text: `UPDATE jobs SET ${set} WHERE id = $1 RETURNING ${returning}` };
}

/** Transactions that have not committed yet may make rows due from then on; woken jobs are due 1 s before their end. */
const SAFE_BOUND = `now() - interval '3 s'`;

/** The first visible due row: also one that another transaction locks, which may roll back. */
function boundOf(kind: 'urgent' | 'regular'): string {
  return `least(${kind}_first, ${SAFE_BOUND})::text AS "${kind}From"`;
}

const SLOTS = '(SELECT $1::integer)';

/** Services with open jobs of `status`. The order names the index. */
function liveServices(status: string, urgent: string): string {
  const next = (condition: string): string => `
    SELECT jobs.service FROM jobs WHERE status = '${status}' ${condition}
     ORDER BY jobs.service, ${urgent} DESC LIMIT 1`;
  return `
  service AS (
    (${next('')})
    UNION ALL
    SELECT (${next('AND jobs.service > service.service')}) FROM service WHERE service.service IS NOT NULL)`;
}

/** All services, from the newest job of one to that of the next: past the row versions of one job each. */
const ALL_SERVICES = `
  service AS (
    (SELECT service FROM jobs ORDER BY service DESC, id DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.service FROM jobs WHERE jobs.service < service.service
             ORDER BY jobs.service DESC, id DESC LIMIT 1)
      FROM service WHERE service.service IS NOT NULL)`;

const SHARES = `
  share AS (
    SELECT service.service, coalesce(weight, 1)::double precision AS weight, max_in_flight,
           greatest(finish, (SELECT $7::double precision) - 1 / coalesce(weight, 1)::double precision) AS start,
           coalesce(finish, '-infinity') AS finish, coalesce(streak, 0) AS streak,
           coalesce(known.urgent_from, '-infinity') AS urgent_from,
           coalesce(known.regular_from, '-infinity') AS regular_from,
           known.service IS NULL AS is_new
      FROM service
      LEFT JOIN services USING (service)
      LEFT JOIN unnest((SELECT $2::text[]), (SELECT $3::double precision[]), (SELECT $4::integer[]),
                       (SELECT $5::timestamptz[]), (SELECT $6::timestamptz[]))
                AS known (service, finish, streak, urgent_from, regular_from) USING (service)
     WHERE service.service IS NOT NULL)`;

/** A leased job counts, because its attempt may begin at any moment. */
const IN_FLIGHT = `
  (SELECT count(*) FROM jobs WHERE jobs.service = share.service AND status = 'submitted')
  + (SELECT count(*) FROM jobs WHERE jobs.service = share.service AND status = 'uncertain')
  + (SELECT count(*) FROM jobs WHERE jobs.service = share.service AND status = 'queued' AND lease IS NOT NULL)`;

const ROOM = `
  CASE WHEN max_in_flight IS NULL THEN ${SLOTS} ELSE greatest(max_in_flight - (${IN_FLIGHT}), 0) END`;

const NO_LIMITS_DUE = `
  NOT EXISTS (SELECT FROM due WHERE max_in_flight IS NOT NULL AND urgent_count + regular_count > 0)`;

const PLAN_WITHIN_SERVICE = (condition: string): string => `
  chosen AS (
    SELECT service, count(*)::integer AS planned
      FROM (SELECT service
              FROM due, generate_series(0, least(urgent_count + regular_count, room) - 1) AS place
             WHERE ${condition}
             ORDER BY start + place / weight, finish LIMIT ${SLOTS}) AS slots
     GROUP BY service),
  plan AS (
    SELECT due.*, planned, planned - regular_slots AS urgent_slots, regular_slots
      FROM chosen JOIN due USING (service),
           LATERAL (SELECT least(regular_count, greatest((streak + planned) / 5, planned - urgent_count))
                           AS regular_slots) AS split)`;

const PLAN_FOR_ALL = `
  plan AS (
    SELECT due.*, urgent_slots + regular_slots AS planned, urgent_slots, regular_slots
      FROM (SELECT service, count(*) FILTER (WHERE is_urgent)::integer AS urgent_slots,
                   count(*) FILTER (WHERE NOT is_urgent)::integer AS regular_slots
              FROM (SELECT service, place < urgent_count AS is_urgent
                      FROM due, generate_series(0, urgent_count + regular_count - 1) AS place
                     ORDER BY is_urgent DESC, start + place / weight, finish LIMIT ${SLOTS}) AS slots
             GROUP BY service) AS chosen
      JOIN due USING (service))`;

/** Rows whose leases ran out hold slots of their service already: they are leased beyond its limit. */
const overdueOf = (urgent: string, condition: string): string => `
  UNION ALL
  SELECT * FROM (
    SELECT service, id, ${urgent} AS urgent, next_check_at AS due_at FROM jobs
     WHERE status = 'queued' AND lease IS NOT NULL AND next_check_at <= now() ${condition}
       AND service = ANY (ARRAY(SELECT service FROM due WHERE max_in_flight IS NOT NULL))
     LIMIT ${SLOTS} FOR NO KEY UPDATE SKIP LOCKED) AS overdue`;

function selectionOf(kind: FairLease, scan: Scan): string {
  const { status, urgent, urgentWithin, limits } = kind;
  const condition = kind.condition === undefined ? '' : `AND ${kind.condition}`;
  const dueRows = (
    of: string,
    name: 'urgent' | 'regular',
    columns: string,
    from: string,
  ): string => `
        SELECT ${columns} FROM jobs
         WHERE status = '${status}' AND jobs.service = ${of}.service AND ${urgent} = ${name === 'urgent'}
           AND next_check_at <= now() ${from} ${condition}`;
  const count = (name: 'urgent' | 'regular'): string => {
    const from = scan === 'bounded' ? `AND next_check_at >= ${name}_from` : '';
    return `
      CROSS JOIN LATERAL (
       SELECT count(*)::integer AS ${name}_count, coalesce(min(next_check_at), now()) AS ${name}_first
         FROM (${dueRows('share', name, 'next_check_at', from)} ORDER BY next_check_at LIMIT ${SLOTS})
              AS found) AS ${name}`;
  };
  const take = (name: 'urgent' | 'regular'): string => {
    const columns = `id, ${name === 'urgent'} AS urgent, next_check_at AS due_at`;
    return `
      SELECT * FROM (
        ${dueRows('plan', name, columns, `AND next_check_at >= ${name}_first`)}
        ${limits === 'locked' ? 'AND (plan.max_in_flight IS NULL OR lease IS NULL)' : ''}
         ORDER BY next_check_at LIMIT ${name}_slots FOR NO KEY UPDATE SKIP LOCKED) AS ${name}`;
  };
  return `
  WITH RECURSIVE ${scan === 'live' ? liveServices(status, urgent) : ALL_SERVICES},
  ${SHARES},
  due AS MATERIALIZED (
    SELECT share.*, urgent_count, urgent_first, regular_count, regular_first,
           ${limits === 'locked' ? ROOM : SLOTS} AS room
      FROM share ${count('urgent')} ${count('regular')}),
  ${urgentWithin === 'service' ? PLAN_WITHIN_SERVICE(limits === 'unlocked' ? NO_LIMITS_DUE : 'true') : PLAN_FOR_ALL},
  taken AS MATERIALIZED (
    SELECT service, id, urgent, due_at
      FROM plan CROSS JOIN LATERAL (${take('urgent')} UNION ALL ${take('regular')}) AS rows
    ${limits === 'locked' ? overdueOf(urgent, condition) : ''})`;
}
