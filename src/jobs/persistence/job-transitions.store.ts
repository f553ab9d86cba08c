import { Injectable } from '@nestjs/common';
import { EntityManager, In, type QueryDeepPartialEntity } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { Notifications } from '../../platform/work/notifications.js';
import { JOB_ENDED, recordEnds } from '../job-ends.js';
import { CANCELLED_BEFORE_SUBMIT } from '../job-error.js';
import { JobEvent, type JobEventType } from '../timeline/job-event.entity.js';
import { isTerminal, predecessorsOf, type JobStatus } from '../job-status.js';
import type { JobType } from '../job-type.js';
import { Job, type SettledBy } from '../job.entity.js';

/** Topics that announce due jobs: to send, to poll, to search for, and to cancel. */
export const JOBS_QUEUED = 'jobs_queued';
export const POLLS_DUE = 'polls_due';
export const UNCERTAIN_DUE = 'uncertain_due';
export const CANCELS_DUE = 'cancels_due';

type Changes = QueryDeepPartialEntity<Job>;

/** A condition that the row must still meet for a write. */
export type Fence = readonly [sql: string, parameters: Record<string, unknown>];

/** `settled_by` of an end that a poll found: `webhook` if a callback has arrived, else `reconciler`. */
export const SETTLED_BY_TRIGGER = `CASE WHEN callback_received_at IS NULL THEN 'reconciler' ELSE 'webhook' END`;

/** Allows a write only to the holder of the lease: a paused process whose lease passed on writes nothing. */
export const ifLeasedBy = (lease: string): Fence => ['lease = :lease', { lease }];

/** As `ifLeasedBy`, if no trigger has come since the lease began. */
export const ifUntriggered = (lease: string): Fence => [
  'lease = :lease AND NOT poll_requested',
  { lease },
];

/** Allows a write only if no later submit attempt has begun. */
export const ifAtAttempt = (attempt: number): Fence => ['submit_attempts = :attempt', { attempt }];

/** A job after a transition, for the metrics. Ages by the database’s clock. */
export interface TransitionedJob {
  readonly type: JobType;
  readonly settledBy: SettledBy | null;
  readonly polls: number;
  readonly ageSeconds: number;
  readonly sinceCallbackSeconds: number | null;
}

/** Changes that defer a job for `seconds`. `reason` is for its service; null on the regular schedule. */
export const deferred = (
  seconds: number,
  reason: string | null,
): Pick<Changes, 'nextCheckAt' | 'deferralReason' | 'deferredUntil'> => ({
  nextCheckAt: inSeconds(seconds),
  deferralReason: reason,
  deferredUntil: reason === null ? null : inSeconds(seconds),
});
const NOT_DEFERRED = { deferralReason: null, deferredUntil: null } as const;

/** Expressions for `set`: now, and `seconds` from now, by the database’s clock. */
export const now = (): string => 'now()';
export const inSeconds = (seconds: number) => (): string =>
  `now() + make_interval(secs => ${seconds.toFixed(3)})`;

/**
 * All writes to `jobs` and `job_events`, except leases and submission. Each update names the statuses that it may
 * change; the number of affected rows says whether it applied.
 */
@Injectable()
export class JobTransitionsStore {
  constructor(private readonly notifications: Notifications) {}

  /**
   * Moves a job to `to` with `changes` if its status allows it and `fence` holds. A terminal state also deletes
   * the request, records the end in the outbox, and notifies waiting requests at commit. `event`: for the timeline,
   * which shows an end by itself.
   */
  async transition(
    manager: EntityManager,
    id: string,
    to: JobStatus,
    changes: Changes,
    event: [JobEventType, Record<string, unknown>] | null,
    fence: Fence,
  ): Promise<TransitionedJob | undefined> {
    const end: Changes = isTerminal(to) ? { endedAt: now, nextCheckAt: null, request: null } : {};
    const [update, parameters] = manager
      .createQueryBuilder()
      .update(Job)
      .set({
        ...NOT_DEFERRED,
        uncertainSince: null,
        ...changes,
        ...end,
        lease: null,
        worker: null,
        status: to,
      })
      .where('id = :id AND status IN (:...from)', { id, from: predecessorsOf(to) })
      .andWhere(...fence)
      .returning(
        `id, type, settled_by, polls, submit_started_at, ${age('created_at')} AS age,
         ${age('callback_received_at')} AS callback_age,
         ${isTerminal(to) ? wakeDependents('ARRAY[id]') : '0'} AS woken`,
      )
      .getQueryAndParameters();
    const statement = isTerminal(to)
      ? `WITH ended AS (${update}), recorded AS (${recordEnds('ended')}) SELECT * FROM ended`
      : update;
    const [row] = await rows<TransitionedRow>(manager, statement, parameters);
    if (row === undefined) return undefined;
    if (event !== null) {
      const [type, detail] = event;
      const begin = to === 'uncertain' ? { begunAt: row.submit_started_at } : {};
      await this.addEvent(manager, id, type, { ...detail, ...begin });
    }
    if (isTerminal(to)) {
      await this.notifications.sendAtCommit(manager, JOB_ENDED, id);
      if (row.woken > 0) await this.notifications.sendAtCommit(manager, JOBS_QUEUED, '');
    }
    return {
      type: row.type,
      settledBy: row.settled_by,
      polls: row.polls,
      ageSeconds: row.age,
      sinceCallbackSeconds: row.callback_age,
    };
  }

  /** Cancels a job that was never sent, if `fence` holds. */
  cancelUnsent(
    manager: EntityManager,
    id: string,
    [sql, parameters]: Fence,
  ): Promise<TransitionedJob | undefined> {
    return this.transition(
      manager,
      id,
      'cancelled',
      { settledBy: 'cancellation', error: CANCELLED_BEFORE_SUBMIT },
      null,
      [`status = 'queued' AND ${sql}`, parameters],
    );
  }

  /** Changes a job that stays in `status`. Returns false if its status changed or `fence` fails. */
  async updateJob(
    manager: EntityManager,
    id: string,
    status: JobStatus,
    changes: Changes,
    fence: Fence,
  ): Promise<boolean> {
    const { affected } = await manager
      .createQueryBuilder()
      .update(Job)
      .set(changes)
      .where('id = :id AND status = :status', { id, status })
      .andWhere(...fence)
      .execute();
    return affected === 1;
  }

  /**
   * Records the request to cancel, and makes a submitted job due for it. False if the job has ended or a cancel was
   * requested before.
   */
  async requestCancel(
    manager: EntityManager,
    id: string,
    trace: string | null = null,
  ): Promise<boolean> {
    const { affected } = await manager
      .createQueryBuilder()
      .update(Job)
      .set({
        cancelRequestedAt: now,
        ...(trace === null ? {} : { triggerTrace: trace }),
        nextCheckAt: () =>
          `CASE WHEN status = 'submitted' AND lease IS NULL THEN now() ELSE next_check_at END`,
      })
      .where('id = :id AND ended_at IS NULL AND cancel_requested_at IS NULL', { id })
      .execute();
    return affected === 1;
  }

  /** Has a worker poll an open job now, or once the current poll has ended. False if it is queued or has ended. */
  async requestPoll(manager: EntityManager, id: string): Promise<boolean> {
    const { affected } = await manager
      .createQueryBuilder()
      .update(Job)
      .set({
        pollRequested: true,
        nextCheckAt: () => 'CASE WHEN lease IS NULL THEN now() ELSE next_check_at END',
      })
      .where({ id, status: In(['submitted', 'uncertain']) })
      .execute();
    return affected === 1;
  }

  async addEvent(
    manager: EntityManager,
    jobId: string,
    type: JobEventType,
    detail: Record<string, unknown> = {},
  ): Promise<void> {
    await manager.insert(JobEvent, { jobId, type, detail: detail as object });
  }
}

interface TransitionedRow {
  id: string;
  type: JobType;
  settled_by: SettledBy | null;
  polls: number;
  submit_started_at: Date | null;
  age: number;
  callback_age: number | null;
  woken: number;
}

/**
 * SQL for the statement that ends the jobs of `ids`, an SQL array: makes due the jobs that need their results, and
 * returns how many; then notify `JOBS_QUEUED`. It costs a lookup in an index per job. Call it once for all jobs of a
 * statement, after they are updated, so that two statements lock the same dependents in the same order.
 */
export function wakeDependents(ids: string): string {
  return `wake_dependents(${ids})`;
}

/** Seconds since the moment in `column`, by the database’s clock. */
export function age(column: string): string {
  return `extract(epoch FROM now() - ${column})::double precision`;
}
