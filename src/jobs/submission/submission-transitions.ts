import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { Batches } from '../../platform/batches.js';
import { Transactions } from '../../platform/database/transactions.js';
import type { Lease } from '../../platform/work/due-work.js';
import { Notifications } from '../../platform/work/notifications.js';
import { JobMetrics } from '../persistence/job.metrics.js';
import type { JobError } from '../job-error.js';
import type { Job } from '../job.entity.js';
import {
  SubmissionQueueStore,
  type Attempt,
  type QueuedJob,
  type QueueLane,
} from './submission-queue.store.js';
import { JobSubmissionStore, type AcceptedUpstream } from './job-submission.store.js';
import {
  ifAtAttempt,
  CANCELS_DUE,
  deferred,
  inSeconds,
  JOBS_QUEUED,
  JobTransitionsStore,
  now,
  POLLS_DUE,
  UNCERTAIN_DUE,
  type Fence,
} from '../persistence/job-transitions.store.js';
import { OrphanedJobs } from '../deletion/orphaned-jobs.js';
import { inLockOrder } from '../leases/job-lease.store.js';
import { attemptSeconds, LEASE_SECONDS, type LeasedJob } from '../leases/leased-job.js';
import { jittered } from '../polling/poll-policy.js';

type JobId = Pick<Job, 'id'>;

/** For the service whose job is uncertain. */
export const UNCERTAIN_REASON =
  'Reducto’s answer to the submit was lost; the gateway searches for the job at Reducto';

const RESUBMIT_REASON =
  'Reducto made no job from the last submits; the gateway submits the job again';

/** A callback that came first tells the upstream id. */
const nowIfCallback = (seconds: number) => (): string =>
  `CASE WHEN callback_received_at IS NULL THEN ${inSeconds(seconds)()} ELSE now() END`;

const BATCH_LIMITS = { size: 100, waiting: 10_000, concurrency: 1, gatherMilliseconds: 5 };

/** Writes of a submission, each in one transaction. Each returns whether it applied. */
@Injectable()
export class SubmissionTransitions {
  private readonly marks = new Batches<AcceptedUpstream, boolean>(
    (made) => this.markAll(made),
    BATCH_LIMITS,
  );

  constructor(
    private readonly settings: Settings,
    private readonly transitions: JobTransitionsStore,
    private readonly submission: JobSubmissionStore,
    private readonly queue: SubmissionQueueStore,
    private readonly notifications: Notifications,
    private readonly transactions: Transactions,
    private readonly metrics: JobMetrics,
    private readonly orphans: OrphanedJobs,
  ) {}

  /** How long an attempt may take until it counts as lost. */
  get attemptSeconds(): number {
    return attemptSeconds(this.settings);
  }

  /** Leases queued jobs, and begins the attempts of those that can be sent as they are. */
  leaseJobs(limit: number, lease: Lease, lane?: QueueLane): Promise<QueuedJob[]> {
    const times = { attempt: this.attemptSeconds, other: LEASE_SECONDS };
    return this.queue.leaseJobs(limit, lease, times, this.settings.JOB_MAX_AGE_SECONDS, lane);
  }

  /** Begins the next attempt before the request is sent. */
  beginAttempt(attempt: Attempt, lease: string): Promise<boolean> {
    return this.queue.beginAttempt(attempt, lease, this.attemptSeconds);
  }

  /**
   * Defers a submit that certainly made no job. A job that is to be cancelled ends instead. `reason` is for the
   * service; `failure` for the timeline, if an attempt was made.
   */
  async deferSubmit(
    job: JobId,
    attempt: number,
    { seconds, reason, failure }: { seconds: number; reason: string; failure?: string },
  ): Promise<boolean> {
    const cancelled = await this.queue.deferAttempt(
      { id: job.id, attempt },
      seconds,
      reason,
      failure,
    );
    if (cancelled === true) await this.cancelUnsent(job);
    return cancelled !== undefined;
  }

  /** Defers a classify job that certainly made nothing, until a synchronous call is free. */
  async leaveToCalls(job: JobId, attempt: number): Promise<void> {
    await this.deferSubmit(job, attempt, {
      seconds: 0,
      reason: 'Reducto takes classify jobs in synchronous calls only; the gateway sends the job',
      failure: 'Reducto has no /classify_async',
    });
    this.notifications.send(JOBS_QUEUED);
  }

  /**
   * Needs no fence: Reducto has the job, whichever attempt created it. If the job has ended or has another upstream job, this
   * one is cancelled and deleted, unless it is only asserted.
   */
  async markSubmitted(
    { id }: JobId,
    upstreamId: string,
    via: AcceptedUpstream['via'],
    isProven = true,
  ): Promise<boolean> {
    // One that was found has been at Reducto for a while, and its callback may be lost.
    const [first = 15] = this.settings.POLL_SCHEDULE_SECONDS;
    const firstPollSeconds = via === 'answer' ? jittered(first) : 0;
    const moved = await this.marks.addItem({ id, upstreamId, via, firstPollSeconds });
    if (!moved && isProven) await this.orphans.discardMade({ jobId: id, upstreamId });
    return moved;
  }

  private async markAll(made: readonly AcceptedUpstream[]): Promise<readonly boolean[]> {
    const { origin } = this.settings.REDUCTO_BASE_URL;
    const moved = await this.submission.markSubmitted(inLockOrder(made), origin);
    for (const { ageSeconds } of moved) this.metrics.recordSubmitted(ageSeconds);
    const isDue =
      moved.some(({ callback }) => callback) || made.some(({ via }) => via !== 'answer');
    if (isDue) this.notifications.send(POLLS_DUE);
    if (moved.some(({ cancel }) => cancel)) this.notifications.send(CANCELS_DUE);
    // The same job may come twice, and even by two ids: what stands in its row happened, once.
    const happened = new Set(moved.map(({ id, upstreamId }) => `${id} ${upstreamId}`));
    return made.map(({ id, upstreamId }) => happened.delete(`${id} ${upstreamId}`));
  }

  /**
   * Records the job that a synchronous call has made, and keeps the lease. `undefined` if the lease is lost: then the
   * job is submitted, if it is still open, and polls complete it.
   */
  async markAnswered(job: QueuedJob, upstreamId: string): Promise<LeasedJob | undefined> {
    const { origin } = this.settings.REDUCTO_BASE_URL;
    const answered = await this.submission.markAnswered(job, upstreamId, origin);
    if (answered === undefined) await this.markSubmitted(job, upstreamId, 'answer');
    else this.metrics.recordSubmitted(answered.ages.created);
    return answered;
  }

  /**
   * It was sent, and nobody knows whether it arrived. `sinceLastMoment`: seconds since the last moment at which the
   * request can have arrived.
   */
  async markUncertain(
    job: JobId,
    attempt: number,
    reason: string,
    sinceLastMoment = 0,
  ): Promise<boolean> {
    const seconds = Math.max(this.settings.UNCERTAIN_LISTING_LAG_SECONDS - sinceLastMoment, 0);
    const moved = await this.transactions.run((manager) =>
      this.transitions.transition(
        manager,
        job.id,
        'uncertain',
        {
          polls: 0,
          uncertainSince: inSeconds(-sinceLastMoment),
          ...deferred(seconds, UNCERTAIN_REASON),
          nextCheckAt: nowIfCallback(seconds),
        },
        ['submit_uncertain', { attempt, reason }],
        ifAtAttempt(attempt),
      ),
    );
    if (moved === undefined) return false;
    if (moved.sinceCallbackSeconds !== null) this.notifications.send(UNCERTAIN_DUE);
    return true;
  }

  /** It is certain that the attempt made nothing: the job may be sent again, after `seconds`. */
  async requeueJob(job: JobId, fence: Fence, seconds = 0): Promise<boolean> {
    const wait = seconds > 0 ? deferred(seconds, RESUBMIT_REASON) : { nextCheckAt: now };
    const moved = await this.transactions.run((manager) =>
      this.transitions.transition(
        manager,
        job.id,
        'queued',
        { submitStartedAt: null, assertedUpstreamId: null, polls: 0, ...wait },
        ['submit_resolved', { found: false }],
        fence,
      ),
    );
    if (moved === undefined) return false;
    this.notifications.send(JOBS_QUEUED);
    return true;
  }

  /** The job was to be cancelled, and nothing of it is on its way: it ends here. */
  async cancelUnsent(job: JobId): Promise<void> {
    const ended = await this.transactions.run((manager) =>
      this.transitions.cancelUnsent(manager, job.id, [
        'cancel_requested_at IS NOT NULL AND submit_started_at IS NULL',
        {},
      ]),
    );
    this.metrics.recordEnded('cancelled', ended, 'cancelled');
  }

  /** The job ends without having been made: Reducto refused it, it cannot be sent, or not in time. */
  async endUnsubmitted(
    job: JobId,
    attempt: number,
    status: 'failed' | 'expired',
    error: JobError,
  ): Promise<boolean> {
    const moved = await this.transactions.run((manager) =>
      this.transitions.transition(
        manager,
        job.id,
        status,
        { error, settledBy: 'submission' },
        null,
        [`status IN ('queued', 'uncertain') AND submit_attempts = :attempt`, { attempt }],
      ),
    );
    this.metrics.recordEnded(status, moved, error.code);
    return moved !== undefined;
  }
}
