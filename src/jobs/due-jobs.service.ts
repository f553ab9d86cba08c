import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { classifyDatabaseError } from '../platform/database/database-errors.js';
import { Transactions } from '../platform/database/transactions.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { JobLeaseStore, type DueFilter, type DueJob } from './polling/job-lease.store.js';
import { JobQueries } from './persistence/job-queries.store.js';
import { expiredAfter } from './job-error.js';
import { JobFailureHandler } from './polling/job-failure.handler.js';
import {
  jittered,
  pollLimits,
  secondsUntilNextPoll,
  type PollLimits,
} from './polling/poll-policy.js';
import { PollTransitions } from './polling/poll-transitions.js';
import { SubmissionRecovery } from './recovery/submission-recovery.js';

export type { DueJob } from './polling/job-lease.store.js';

/** Time after which the jobs of a silent sweep are due again. */
const SWEEP_LEASE_SECONDS = 30;
/** Time that a queued poll may wait until its job is due again. */
const TASK_LEASE_SECONDS = 60;

/** Due jobs, for the reconciler. */
@Injectable()
export class DueJobsService {
  private readonly logger = new Logger(DueJobsService.name);
  private readonly limits: PollLimits;

  constructor(
    private readonly settings: Settings,
    private readonly leases: JobLeaseStore,
    private readonly queries: JobQueries,
    private readonly transitions: PollTransitions,
    private readonly recovery: SubmissionRecovery,
    private readonly failureHandler: JobFailureHandler,
    private readonly tasks: TaskQueue,
    private readonly transactions: Transactions,
  ) {
    this.limits = pollLimits(settings);
  }

  /** Leases due jobs, except queued ones. While Reducto is unavailable, only those past the maximum age. */
  acquireLease(lease: string, upstreamUnavailable: boolean): Promise<DueJob[]> {
    const dueFilter: DueFilter = upstreamUnavailable
      ? { tooOldSeconds: this.limits.maxAgeSeconds }
      : 'all';
    const { RECONCILE_BATCH_SIZE: limit } = this.settings;
    return this.transactions.run((manager) =>
      this.leases.leaseDueJobs(manager, lease, limit, dueFilter, SWEEP_LEASE_SECONDS),
    );
  }

  renewLease(lease: string): Promise<void> {
    return this.transactions.run((manager) =>
      this.leases.renewSweepLease(manager, lease, SWEEP_LEASE_SECONDS),
    );
  }

  /** Makes the jobs of a failed sweep due at once. */
  releaseLease(lease: string): Promise<void> {
    return this.transactions.run((manager) => this.leases.renewSweepLease(manager, lease, 0));
  }

  /** Queues a poll of each of `ids`. */
  requestPolls(lease: string, ids: readonly string[]): Promise<void> {
    const drainSeconds = ids.length / this.settings.REDUCTO_POLLS_PER_SECOND;
    return this.transactions.run(async (manager) => {
      const seconds = TASK_LEASE_SECONDS + drainSeconds;
      const released = await this.leases.releaseForPolls(manager, lease, ids, seconds);
      await this.tasks.add(manager, 'poll', released);
    });
  }

  resolveUncertain(lease: string, ids: readonly string[]): Promise<void> {
    return this.recovery.resolveAll(lease, ids);
  }

  /** Reschedules `jobs`, which the listing shows as open. Returns how many. */
  async rescheduleOpen(lease: string, jobs: readonly DueJob[]): Promise<number> {
    try {
      return await this.putOff(lease, jobs);
    } catch (error) {
      if (classifyDatabaseError(error) !== 'data') throw error;
      const [job] = jobs;
      if (job !== undefined && jobs.length === 1) {
        await this.failureHandler.handle(job.id, lease, error);
        return 0;
      }
      // A job that PostgreSQL refuses must not keep the others from being rescheduled.
      let count = 0;
      for (const one of jobs) count += await this.rescheduleOpen(lease, [one]);
      return count;
    }
  }

  private putOff(lease: string, jobs: readonly DueJob[]): Promise<number> {
    const waits = jobs.map((job) => jittered(secondsUntilNextPoll(asWaiting(job), this.limits)));
    const ids = jobs.map(({ id }) => id);
    return this.transactions.run((manager) =>
      this.leases.rescheduleOpen(manager, lease, ids, waits),
    );
  }

  /** Expires jobs while Reducto is unavailable. */
  async expireJobs(lease: string, ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      try {
        const error = expiredAfter(this.limits.maxAgeSeconds);
        if (await this.transitions.endJob({ id }, lease, 'expired', error)) {
          this.logger.error({ msg: 'job expired', jobId: id, code: error.code });
        }
      } catch (error) {
        await this.failureHandler.handle(id, lease, error);
      }
    }
  }

  /** How many of these jobs ended a while ago: a listing that calls them open is not trusted. */
  countEnded(upstreamIds: readonly string[]): Promise<number> {
    return this.queries.countEndedLongAgo(upstreamIds);
  }
}

function asWaiting(job: DueJob): Parameters<typeof secondsUntilNextPoll>[0] {
  return {
    polls: job.polls + 1,
    ageSeconds: job.ageSeconds,
    sinceCallbackSeconds: null,
    sinceCancelSeconds: null,
  };
}
