import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { Settings } from '../../platform/config/settings.js';
import { preparedRows, rows, type Statement } from '../../platform/database/sql.js';
import type { Lease } from '../../platform/work/due-work.js';
import type { GoneWorker } from '../../platform/work/gone-workers.js';
import {
  FAIR_PARAMETERS,
  fairLease,
  firstOfFairLease,
  leaseOne,
  type FairLease,
  type LeaseUpdate,
} from './fair-lease.js';
import { FairShares, type FairRow } from './fair-shares.js';
import { attemptSeconds, LEASE_SECONDS, LEASED_COLUMNS, type LeasedJob } from './leased-job.js';
import { FIRST_COLUMNS, RefusedJobs } from './refused-jobs.js';

/** A row that is held under a lease. */
export interface HeldJob {
  readonly id: string;
  readonly lease: string;
}

/** Statements that lock several jobs lock them in the order of their ids, to avoid deadlocks. */
export function inLockOrder<Row extends { readonly id: string }>(rows: readonly Row[]): Row[] {
  return rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** The jobs of a dead worker, by what they need now. */
export interface FreedJobs {
  /** Due again as they were. */
  readonly due: number;
  /** Uncertain, because their requests may have been sent. */
  readonly uncertain: number;
}

/** How long a poll waits for a requested cancel; afterwards it sends the cancel itself. */
const CANCEL_FIRST_SECONDS = 10;

/** An attempt is recorded just before its request leaves, so one without an outcome may have reached Reducto. */
const SENDER_GONE = 'the process that sent it is gone';

/**
 * All SQL on leases of jobs, except those of queued ones (`SubmissionQueueStore`). A lease is a random id in the
 * row: another one replaces it, and with it the previous holder’s right to write. Expired leases are free.
 */
@Injectable()
export class JobLeaseStore {
  private readonly attemptSeconds: number;
  private readonly polls = new FairShares();

  constructor(
    settings: Settings,
    private readonly refused: RefusedJobs,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {
    this.attemptSeconds = attemptSeconds(settings);
  }

  /**
   * Due submitted jobs: those with a trigger first. The services share the polls by weight; of one service, the longest
   * due job is first.
   */
  leasePolls(limit: number, lease: Lease): Promise<LeasedJob[]> {
    const update = [lease.id, lease.worker, LEASE_SECONDS];
    return this.refused.leaseJobs(limit, {
      leaseJobs: (size) =>
        this.polls.leaseJobs(size, (scan, shares) =>
          preparedRows<FairRow<LeasedJob>>(this.database, LEASE_POLLS[scan], [
            ...shares,
            ...update,
          ]),
        ),
      lockFirst: (manager) => firstRow(manager, FIRST_POLL, this.polls.parameters(1)),
      leaseOne: (manager, id) => firstRow(manager, LEASE_ONE_TAKEN, [id, ...update]),
    });
  }

  /** Due uncertain jobs. */
  leaseUncertain(limit: number, lease: Lease): Promise<LeasedJob[]> {
    return this.leaseJobs(LEASE_UNCERTAIN, limit, lease);
  }

  /** Jobs whose cancel Reducto was not asked for. */
  leaseCancels(limit: number, lease: Lease): Promise<LeasedJob[]> {
    return this.leaseJobs(LEASE_CANCELS, limit, lease);
  }

  /** Due jobs past the maximum age, whether or not Reducto can be asked. */
  leaseTooOld(limit: number, lease: Lease, maxAgeSeconds: number): Promise<LeasedJob[]> {
    return this.leaseJobs(LEASE_TOO_OLD, limit, lease, maxAgeSeconds);
  }

  async renewLeases(held: readonly HeldJob[]): Promise<void> {
    const inOrder = inLockOrder(held);
    const ids = inOrder.map(({ id }) => id);
    const leases = inOrder.map(({ lease }) => lease);
    await preparedRows(this.database, RENEW, [ids, leases, LEASE_SECONDS]);
  }

  /** Makes jobs due again on which nothing was done. */
  async releaseJobs(held: readonly HeldJob[]): Promise<void> {
    const inOrder = inLockOrder(held);
    const ids = inOrder.map(({ id }) => id);
    const leases = inOrder.map(({ lease }) => lease);
    await preparedRows(this.database, RELEASE, [ids, leases]);
  }

  /** Makes due what was leased by statements whose answers were lost: nothing was done. */
  async releaseLost(leases: readonly Lease[]): Promise<void> {
    await rows(this.database, RELEASE_LOST, [
      leases.map(({ id }) => id),
      leases.map(({ worker }) => worker),
      this.attemptSeconds,
      'the gateway lost its database',
    ]);
  }

  /** Records that the gateway could not process the job, and tries again. */
  async releaseFailedPoll({ id, lease }: HeldJob, seconds: number): Promise<void> {
    const reason = 'The gateway could not process the job and tries again';
    await rows(this.database, RELEASE_FAILED, [id, lease, seconds, reason]);
  }

  /**
   * Frees the leases of a dead worker, in the transaction that removes it. Attempts that it had begun are uncertain
   * as of `since`, and due after `lagSeconds`.
   */
  async freeWorker(
    manager: EntityManager,
    { id, since }: GoneWorker,
    lagSeconds: number,
    reason: string,
  ): Promise<FreedJobs> {
    await rows(manager, LOCK_WORKERS_JOBS, [id]);
    const uncertain = await rows(manager, FREE_ATTEMPTS, [
      id,
      since,
      lagSeconds,
      reason,
      SENDER_GONE,
    ]);
    const due = await rows(manager, FREE_OTHERS, [id]);
    return { uncertain: uncertain.length, due: due.length };
  }

  /**
   * Expedites the polls of submitted jobs, all or those of `ids`, to random moments within `seconds`. Leased jobs
   * are left alone. Returns how many.
   */
  async expeditePolls(
    manager: EntityManager,
    ids: readonly string[] | null,
    seconds: number,
    limit: number,
  ): Promise<number> {
    const expedited = await rows(manager, EXPEDITE_POLLS, [ids, seconds, limit]);
    return expedited.length;
  }

  private leaseJobs(
    { all, first, one }: LeaseStatements,
    limit: number,
    lease: Lease,
    ...due: readonly unknown[]
  ): Promise<LeasedJob[]> {
    const update = [lease.id, lease.worker, LEASE_SECONDS];
    return this.refused.leaseJobs(limit, {
      leaseJobs: (size) => preparedRows<LeasedJob>(this.database, all, [size, ...due, ...update]),
      lockFirst: (manager) => firstRow(manager, first, [1, ...due]),
      leaseOne: (manager, id) => firstRow(manager, one, [id, ...update]),
    });
  }
}

async function firstRow<Row extends object>(
  manager: EntityManager,
  statement: Statement,
  parameters: readonly unknown[],
): Promise<Row | undefined> {
  return (await preparedRows<Row>(manager, statement, parameters))[0];
}

/** The lease of one kind, and the two statements that find a job that PostgreSQL refuses to lease. */
interface LeaseStatements {
  readonly all: Statement;
  readonly first: Statement;
  readonly one: Statement;
}

/**
 * `due` selects ids of up to `$1` rows, and locks them; `parameters` is the number of its parameters. Its limit is a
 * subquery, so that one plan serves all limits.
 */
function leaseStatements(
  name: string,
  due: string,
  triggers: 'kept' | 'taken',
  parameters = 1,
): LeaseStatements {
  const { set, returning } = updateFrom(parameters + 1, triggers);
  return {
    all: {
      name,
      text: `UPDATE jobs SET ${set} WHERE id = ANY (ARRAY(${due})) RETURNING ${returning}`,
    },
    first: {
      name: `${name}-first`,
      text: `SELECT ${FIRST_COLUMNS} FROM jobs WHERE id = ANY (ARRAY(${due}))`,
    },
    one: triggers === 'taken' ? LEASE_ONE_TAKEN : LEASE_ONE_KEPT,
  };
}

/** Parameter `first` is the lease; its worker and seconds follow. */
function updateFrom(first: number, triggers: 'kept' | 'taken'): LeaseUpdate {
  return {
    set: `lease = $${first}, worker = $${first + 1}, next_check_at = now() + make_interval(secs => $${first + 2})
             ${triggers === 'taken' ? ', poll_requested = false' : ''}`,
    returning: LEASED_COLUMNS,
  };
}

const LEASE_ONE_TAKEN = leaseOne('jobs-lease-one', updateFrom(2, 'taken'));
const LEASE_ONE_KEPT = leaseOne('jobs-lease-one-kept', updateFrom(2, 'kept'));

/** Reducto was not asked for a requested cancel. */
export const CANCEL_PENDING = 'cancel_requested_at IS NOT NULL AND cancel_sent_at IS NULL';

function dueFirst(condition: string): string {
  return `SELECT id FROM jobs WHERE ${condition} AND next_check_at <= now()
           ORDER BY next_check_at LIMIT (SELECT $1::integer) FOR NO KEY UPDATE SKIP LOCKED`;
}

const POLLS: FairLease = {
  status: 'submitted',
  urgent: 'poll_requested',
  urgentWithin: 'all',
  condition: `NOT (${CANCEL_PENDING} AND cancel_requested_at > now() - interval '${CANCEL_FIRST_SECONDS} s')`,
  limits: 'none',
};
const FIRST_POLL = firstOfFairLease('jobs-lease-polls-first', POLLS);
export const LEASE_POLLS = fairLease(
  'jobs-lease-polls',
  POLLS,
  updateFrom(FAIR_PARAMETERS + 1, 'taken'),
);

const LEASE_UNCERTAIN = leaseStatements(
  'jobs-lease-uncertain',
  dueFirst(`status = 'uncertain'`),
  'taken',
);

const LEASE_CANCELS = leaseStatements(
  'jobs-lease-cancels',
  dueFirst(`status = 'submitted' AND ${CANCEL_PENDING}`),
  'kept',
);

const tooOld = (condition: string): string =>
  dueFirst(`${condition} AND created_at <= now() - make_interval(secs => $2)`);
const LEASE_TOO_OLD = leaseStatements(
  'jobs-lease-too-old',
  `SELECT id FROM (SELECT id FROM (${tooOld(`status = 'submitted' AND poll_requested = true`)}) AS a
            UNION ALL SELECT id FROM (${tooOld(`status = 'submitted' AND poll_requested = false`)}) AS b
            UNION ALL SELECT id FROM (${tooOld(`status = 'uncertain'`)}) AS c
            UNION ALL SELECT id FROM (${tooOld(`status = 'queued' AND submit_started_at IS NULL`)}) AS d) AS due
    LIMIT (SELECT $1::integer)`,
  'kept',
  2,
);

const RENEW = {
  name: 'jobs-lease-renew',
  text: `
  UPDATE jobs SET next_check_at = now() + make_interval(secs => $3)
    FROM unnest($1::uuid[], $2::uuid[]) AS held (id, lease)
   WHERE jobs.id = held.id AND jobs.lease = held.lease AND next_check_at IS NOT NULL`,
};

/**
 * Due since its lease, before a job that was asked for meanwhile; but no more than 1 s ago, because leases read only the
 * rows that became due since `SAFE_BOUND`.
 */
const RELEASE = {
  name: 'jobs-lease-release',
  text: `
  UPDATE jobs
     SET lease = NULL, worker = NULL,
         poll_requested = poll_requested OR callback_received_at IS NOT NULL OR cancel_sent_at IS NOT NULL,
         next_check_at = greatest(next_check_at - interval '${LEASE_SECONDS} s', now() - interval '1 s')
    FROM unnest($1::uuid[], $2::uuid[]) AS held (id, lease)
   WHERE jobs.id = held.id AND jobs.lease = held.lease AND next_check_at IS NOT NULL`,
};

const RELEASE_LOST = `
  WITH held AS (
    SELECT id, CASE WHEN status = 'queued' AND next_check_at = submit_started_at + make_interval(secs => $3)
                    THEN submit_started_at END AS begun_at
      FROM jobs WHERE worker = ANY ($2::integer[]) AND lease = ANY ($1::uuid[])
     ORDER BY id FOR NO KEY UPDATE),
  released AS (
    UPDATE jobs
       SET lease = NULL, worker = NULL, next_check_at = now(),
           poll_requested = poll_requested OR callback_received_at IS NOT NULL OR cancel_sent_at IS NOT NULL,
           submit_started_at = CASE WHEN begun_at IS NULL THEN jobs.submit_started_at END
      FROM held WHERE jobs.id = held.id
    RETURNING jobs.id, submit_attempts, begun_at)
  INSERT INTO job_events (job_id, type, detail)
  SELECT id, 'submit_deferred',
         jsonb_build_object('attempt', submit_attempts, 'begunAt', begun_at, 'reason', $4::text,
                            'retryInSeconds', 0)
    FROM released WHERE begun_at IS NOT NULL
  RETURNING job_id`;

const RELEASE_FAILED = `
  UPDATE jobs
     SET lease = NULL, worker = NULL, polls = polls + 1,
         next_check_at = now() + CASE WHEN poll_requested OR ${CANCEL_PENDING} THEN interval '0'
                                      ELSE make_interval(secs => $3) END,
         deferral_reason = $4,
         deferred_until = now() + make_interval(secs => $3)
   WHERE id = $1 AND lease = $2 AND next_check_at IS NOT NULL
  RETURNING id`;

/** Both updates change rows of any id: together they lock them in order. */
const LOCK_WORKERS_JOBS = `
  SELECT FROM jobs WHERE worker = $1 AND lease IS NOT NULL ORDER BY id FOR NO KEY UPDATE`;

/** The row of a job without an outcome says when its attempt began; nobody knows whether it was sent. */
const FREE_ATTEMPTS = `
  WITH freed AS (
    UPDATE jobs
       SET status = 'uncertain', uncertain_since = $2::timestamptz, lease = NULL, worker = NULL, polls = 0,
           next_check_at = CASE WHEN callback_received_at IS NULL
                                THEN $2::timestamptz + make_interval(secs => $3) ELSE now() END,
           deferral_reason = $4, deferred_until = $2::timestamptz + make_interval(secs => $3)
     WHERE worker = $1 AND lease IS NOT NULL AND status = 'queued' AND submit_started_at IS NOT NULL
    RETURNING id, submit_attempts, submit_started_at)
  INSERT INTO job_events (job_id, type, detail)
  SELECT id, 'submit_uncertain',
         jsonb_build_object('attempt', submit_attempts, 'begunAt', submit_started_at, 'reason', $5::text)
    FROM freed
  RETURNING job_id`;

const FREE_OTHERS = `
  UPDATE jobs
     SET lease = NULL, worker = NULL, next_check_at = now(),
         poll_requested = poll_requested OR callback_received_at IS NOT NULL OR cancel_sent_at IS NOT NULL
   WHERE worker = $1 AND lease IS NOT NULL
  RETURNING id`;

const EXPEDITE_POLLS = `
  UPDATE jobs SET next_check_at = now() + random() * make_interval(secs => $2)
   WHERE id = ANY (ARRAY(
     SELECT id FROM jobs
      WHERE next_check_at > now() + make_interval(secs => $2)
        AND status = 'submitted' AND lease IS NULL AND NOT poll_requested
        AND ($1::uuid[] IS NULL OR id = ANY ($1::uuid[]))
      ORDER BY next_check_at DESC
      LIMIT $3
        FOR UPDATE SKIP LOCKED))
  RETURNING id`;
