import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows, SHORT_TRANSACTION, type Statement } from '../../platform/database/sql.js';
import { Transactions } from '../../platform/database/transactions.js';
import type { Lease } from '../../platform/work/due-work.js';
import {
  FAIR_PARAMETERS,
  fairLease,
  firstOfFairLease,
  leaseOne,
  type FairLease,
  type FairStatements,
  type LeaseUpdate,
} from '../leases/fair-lease.js';
import { FairShares, type FairRow } from '../leases/fair-shares.js';
import { inLockOrder, type HeldJob } from '../leases/job-lease.store.js';
import { RefusedJobs, type FirstJob } from '../leases/refused-jobs.js';
import type { JobType } from '../job-type.js';
import { age } from '../persistence/job-transitions.store.js';

/** A queued job that this process has leased to submit it. */
export interface QueuedJob {
  readonly id: string;
  readonly lease: string;
  /** Worker that leased it. */
  readonly worker: number;
  readonly service: string;
  readonly type: JobType;
  readonly priority: boolean;
  readonly request: string | null;
  readonly refersToJobs: boolean;
  readonly trace: string | null;
  /** Number of begun attempts. */
  readonly attempts: number;
  /** The lease began an attempt: the job may be sent as it is. */
  readonly begun: boolean;
  readonly cancelRequested: boolean;
  readonly ageSeconds: number;
  /** Since an attempt began that this lease did not begin. */
  readonly attemptSeconds: number | null;
  /** Time before the lease, by `performance.now()`. */
  readonly leasedAt: number;
}

/** One attempt to submit a job. */
export interface Attempt {
  readonly id: string;
  readonly attempt: number;
}

/** Which queued jobs a lease takes: `submit` and `classify` divide them where classify jobs need slots of their own. */
export type QueueLane = 'all' | 'submit' | 'classify';

/** How long queued jobs are leased, in seconds. */
export interface LeaseTimes {
  /** If its attempt has begun. */
  readonly attempt: number;
  /** If something must be resolved first. */
  readonly other: number;
}

/** Queue of jobs to submit. The services share it by weight; within a service, the longest due job is first. */
@Injectable()
export class SubmissionQueueStore {
  private readonly lanes = {
    all: newLane('all'),
    submit: newLane('submit'),
    classify: newLane('classify'),
  };

  constructor(
    @InjectEntityManager() private readonly database: EntityManager,
    private readonly transactions: Transactions,
    private readonly refused: RefusedJobs,
  ) {}

  /** A service with a limit had due jobs at the last lease: the end of a job may let one of them leave. */
  get waitsForEnds(): boolean {
    return Object.values(this.lanes).some(({ isHeldBack }) => isHeldBack);
  }

  /**
   * Leases up to `limit` due jobs, in the order of their services’ turns. It begins the attempt of each that can be
   * sent as it is: not cancelled, younger than `maxAgeSeconds`, without inputs from other jobs, and without an attempt
   * under way.
   */
  async leaseJobs(
    limit: number,
    lease: Lease,
    times: LeaseTimes,
    maxAgeSeconds: number,
    laneName: QueueLane = 'all',
  ): Promise<QueuedJob[]> {
    const lane = this.lanes[laneName];
    const leasedAt = performance.now();
    const update = [times.attempt, times.other, maxAgeSeconds, lease.id, lease.worker];
    const leased = await this.refused.leaseJobs<QueuedRow>(limit, {
      leaseJobs: (size) => this.leaseFairly(lane, size, update),
      lockFirst: async (manager) => {
        await this.lockLimits(lane, manager);
        const parameters = lane.shares.parameters(1);
        const [first] = await preparedRows<FirstJob>(manager, lane.first, parameters);
        return first;
      },
      leaseOne: async (manager, id) => {
        const [job] = await preparedRows<QueuedRow>(manager, LEASE_ONE, [id, ...update]);
        return job;
      },
    });
    return leased.map((job) => ({ ...job, lease: lease.id, worker: lease.worker, leasedAt }));
  }

  private leaseFairly(lane: Lane, limit: number, update: readonly unknown[]): Promise<QueuedRow[]> {
    return lane.shares.leaseJobs<QueuedRow>(limit, async (scan, shares) => {
      const parameters = [...shares, ...update];
      if (!lane.locksLimits) {
        const rows = await preparedRows<FairRow<QueuedRow>>(
          this.database,
          lane.unlimited[scan],
          parameters,
        );
        lane.isHeldBack = rows.some(({ isLimited, isDue }) => isLimited && isDue);
        // If so, it has leased nothing.
        if (!lane.isHeldBack) return rows;
      }
      const rows = await this.transactions.run(async (manager) => {
        await this.lockLimits(lane, manager);
        return preparedRows<FairRow<QueuedRow>>(manager, lane.limited[scan], parameters);
      });
      lane.isHeldBack = rows.some(({ isLimited, isDue }) => isLimited && isDue);
      return rows;
    });
  }

  /**
   * Locks the services with limits before their jobs in flight are counted: only the snapshot of the next statement has
   * what other processes leased meanwhile.
   */
  private async lockLimits(lane: Lane, manager: EntityManager): Promise<void> {
    const limited = await preparedRows(manager, LOCK_LIMITED, []);
    lane.locksLimits = limited.length > 0;
  }

  /** Begins an attempt. False if the job no longer allows it. */
  async beginAttempt({ id, attempt }: Attempt, lease: string, seconds: number): Promise<boolean> {
    const begun = await preparedRows(this.database, BEGIN_ATTEMPT, [id, attempt, seconds, lease]);
    return begun.length === 1;
  }

  /**
   * Defers a queued job for `seconds`, if no later attempt has begun. Returns whether it is to be cancelled; `undefined`
   * if it was not deferred. `failure` ends its attempt in the timeline.
   */
  async deferAttempt(
    { id, attempt }: Attempt,
    seconds: number,
    reason: string,
    failure: string | undefined,
  ): Promise<boolean | undefined> {
    const parameters = [id, attempt, seconds, reason, failure ?? null];
    const [deferred] = await preparedRows<{ cancelled: boolean }>(
      this.database,
      DEFER_ATTEMPT,
      parameters,
    );
    return deferred?.cancelled;
  }

  /** Makes jobs due at once that were not sent. A begun attempt ends with `reason` in the timeline. */
  async releaseUnsent(
    unsent: readonly (HeldJob & Pick<QueuedJob, 'attemptSeconds'>)[],
    reason: string,
  ): Promise<void> {
    const inOrder = inLockOrder(unsent);
    await preparedRows(this.database, RELEASE_UNSENT, [
      inOrder.map(({ id }) => id),
      inOrder.map(({ lease }) => lease),
      reason,
      // An earlier attempt may have been sent: it stays on record.
      inOrder.map(({ attemptSeconds }) => attemptSeconds === null),
    ]);
  }

  /** Makes those of `ids` that no worker has leased due at once. */
  async expediteJobs(ids: readonly string[]): Promise<void> {
    await preparedRows(this.database, EXPEDITE_JOBS, [ids]);
  }
}

/** A job as a lease returns it. */
type QueuedRow = Omit<QueuedJob, 'lease' | 'worker' | 'leasedAt'>;

/** The leases of one lane, and the turns of the services in it. */
interface Lane {
  readonly shares: FairShares;
  readonly unlimited: FairStatements;
  readonly limited: FairStatements;
  readonly first: Statement;
  /** Leases lock the services with limits first, because one of them had due jobs. */
  locksLimits: boolean;
  /** A service with a limit had due jobs at the last lease. */
  isHeldBack: boolean;
}

const CONDITIONS = {
  all: {},
  submit: { condition: `type <> 'classify'` },
  classify: { condition: `type = 'classify'` },
} as const satisfies Record<QueueLane, Pick<FairLease, 'condition'>>;

function newLane(name: QueueLane): Lane {
  return { shares: new FairShares(), ...STATEMENTS[name], locksLimits: false, isHeldBack: false };
}

function statementsOf(lane: QueueLane): Pick<Lane, 'unlimited' | 'limited' | 'first'> {
  const queue = {
    status: 'queued',
    urgent: 'priority',
    urgentWithin: 'service',
    ...CONDITIONS[lane],
  } as const;
  const limited: FairLease = { ...queue, limits: 'locked' };
  const suffix = lane === 'all' ? '' : `-${lane}`;
  return {
    unlimited: fairLease(`jobs-queue-lease${suffix}`, { ...queue, limits: 'unlocked' }, UPDATE),
    limited: fairLease(`jobs-queue-lease-limited${suffix}`, limited, UPDATE),
    first: firstOfFairLease(`jobs-queue-first${suffix}`, limited),
  };
}

/** Parameters from number `first` on: seconds of an attempt, seconds otherwise, maximum age, lease, and worker. */
function updateFrom(first: number): LeaseUpdate {
  const [attempt, other, maxAge, lease, worker] = [0, 1, 2, 3, 4].map((n) => `$${first + n}`);
  const ready = `(submit_started_at IS NULL AND cancel_requested_at IS NULL AND NOT refers_to_jobs
      AND created_at > now() - make_interval(secs => ${maxAge}))`;
  return {
    set: `
           submit_started_at = CASE WHEN ${ready} THEN now() ELSE submit_started_at END,
           submit_attempts = submit_attempts + CASE WHEN ${ready} THEN 1 ELSE 0 END,
           deferral_reason = CASE WHEN ${ready} THEN NULL ELSE deferral_reason END,
           deferred_until = CASE WHEN ${ready} THEN NULL ELSE deferred_until END,
           lease = ${lease}, worker = ${worker},
           next_check_at = now() + make_interval(secs => CASE WHEN ${ready} THEN ${attempt}::float8 ELSE ${other} END)`,
    returning: `
              id, service, type, priority, request, refers_to_jobs AS "refersToJobs", trace,
              submit_attempts AS attempts,
              coalesce(submit_started_at = now(), false) AS begun,
              cancel_requested_at IS NOT NULL AS "cancelRequested",
              ${age('created_at')} AS "ageSeconds",
              nullif(${age('submit_started_at')}, 0) AS "attemptSeconds"`,
  };
}

const UPDATE = updateFrom(FAIR_PARAMETERS + 1);
const STATEMENTS = {
  all: statementsOf('all'),
  submit: statementsOf('submit'),
  classify: statementsOf('classify'),
};
export const LEASE_UNLIMITED = STATEMENTS.all.unlimited;
const LEASE_ONE = leaseOne('jobs-queue-lease-one', updateFrom(2));

const LOCK_LIMITED = {
  name: 'services-lock-limited',
  text: `
  WITH ${SHORT_TRANSACTION}
  SELECT service FROM services, short
   WHERE max_in_flight IS NOT NULL ORDER BY service FOR NO KEY UPDATE OF services`,
};

const BEGIN_ATTEMPT = {
  name: 'jobs-queue-begin',
  text: `
    UPDATE jobs
       SET submit_started_at = now(), submit_attempts = $2::integer,
           deferral_reason = NULL, deferred_until = NULL,
           next_check_at = now() + make_interval(secs => $3)
     WHERE id = $1 AND status = 'queued' AND submit_started_at IS NULL AND lease = $4
       AND cancel_requested_at IS NULL AND submit_attempts = $2::integer - 1
    RETURNING id`,
};

const DEFER_ATTEMPT = {
  name: 'jobs-queue-defer',
  text: `
  WITH held AS (
    SELECT id, submit_started_at AS begun_at, cancel_requested_at IS NOT NULL AS cancelled
      FROM jobs WHERE id = $1 AND status = 'queued' AND submit_attempts = $2::integer FOR NO KEY UPDATE),
  deferred AS (
    UPDATE jobs
       SET submit_started_at = NULL, lease = NULL, worker = NULL, deferral_reason = $4,
           deferred_until = now() + make_interval(secs => $3),
           next_check_at = now() + CASE WHEN held.cancelled THEN interval '0' ELSE make_interval(secs => $3) END
      FROM held WHERE jobs.id = held.id
    RETURNING jobs.id, held.begun_at, held.cancelled),
  event AS (
    INSERT INTO job_events (job_id, type, detail)
    SELECT id, 'submit_deferred',
           jsonb_build_object('attempt', $2::integer, 'begunAt', begun_at, 'reason', $5::text,
                              'retryInSeconds', round($3::numeric))
      FROM deferred WHERE $5::text IS NOT NULL)
  SELECT cancelled FROM deferred`,
};

const RELEASE_UNSENT = {
  name: 'jobs-queue-release',
  text: `
  WITH held AS (
    SELECT jobs.id, is_own, CASE WHEN is_own THEN submit_started_at END AS begun_at
      FROM unnest($1::uuid[], $2::uuid[], $4::boolean[]) AS unsent (id, lease, is_own)
      JOIN jobs ON jobs.id = unsent.id AND jobs.lease = unsent.lease AND status = 'queued'
       FOR NO KEY UPDATE OF jobs),
  released AS (
    UPDATE jobs
       SET submit_started_at = CASE WHEN is_own THEN NULL ELSE submit_started_at END,
           lease = NULL, worker = NULL, next_check_at = now()
      FROM held WHERE jobs.id = held.id
    RETURNING jobs.id, submit_attempts AS attempt, begun_at)
  INSERT INTO job_events (job_id, type, detail)
  SELECT id, 'submit_deferred',
         jsonb_build_object('attempt', attempt, 'begunAt', begun_at, 'reason', $3::text,
                            'retryInSeconds', 0)
    FROM released WHERE begun_at IS NOT NULL`,
};

const EXPEDITE_JOBS = {
  name: 'jobs-queue-expedite',
  text: `
  UPDATE jobs SET next_check_at = now()
   WHERE id = ANY ($1::uuid[]) AND status = 'queued' AND lease IS NULL`,
};
