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

/** How long a pass may not be heard of until its jobs count as not taken up. */
const SWEEP_LEASE_SECONDS = 30;
/** How long a task may wait for its turn until its job is due again. */
const TASK_LEASE_SECONDS = 60;

/** The door of the jobs for the reconciler: what it may do with the jobs that are due. */
@Injectable()
export class DueJobsService {
  private readonly logger = new Logger(DueJobsService.name);
  private readonly limits: PollLimits;

  constructor(
    private readonly settings: Settings,
    private readonly leases: JobLeaseStore,
    private readonly queries: JobQueries,
    private readonly transitions: PollTransitions,
    private readonly uncertain: SubmissionRecovery,
    private readonly failureHandler: JobFailureHandler,
    private readonly tasks: TaskQueue,
    private readonly transactions: Transactions,
  ) {
    this.limits = pollLimits(settings);
  }

  /** Claims jobs that are due, those apart that are not sent yet: the submits take them up. While Reducto is in trouble, only those that do not need it. */
  acquireLease(lease: string, upstreamHeld: boolean): Promise<DueJob[]> {
    const dueFilter: DueFilter = upstreamHeld
      ? { tooOldSeconds: this.limits.maxAgeSeconds }
      : 'all';
    const { RECONCILE_BATCH_SIZE: limit } = this.settings;
    return this.transactions.run((manager) =>
      this.leases.leaseDueJobs(manager, lease, limit, dueFilter, SWEEP_LEASE_SECONDS),
    );
  }

  /** A pass is still at it. */
  renewLease(lease: string): Promise<void> {
    return this.transactions.run((manager) =>
      this.leases.renewSweepLease(manager, lease, SWEEP_LEASE_SECONDS),
    );
  }

  /** A pass has broken off: what it had claimed and not dealt with is due again at once. */
  releaseLease(lease: string): Promise<void> {
    return this.transactions.run((manager) => this.leases.renewSweepLease(manager, lease, 0));
  }

  /** Puts in a task for each of `ids` that looks at it. */
  requestPolls(lease: string, ids: readonly string[]): Promise<void> {
    const drainSeconds = ids.length / this.settings.REDUCTO_POLLS_PER_SECOND;
    return this.transactions.run(async (manager) => {
      const seconds = TASK_LEASE_SECONDS + drainSeconds;
      const given = await this.leases.releaseForPolls(manager, lease, ids, seconds);
      await this.tasks.add(manager, 'poll', given);
    });
  }

  /** Finds out what became of the submits of `ids`. */
  resolveUncertain(lease: string, ids: readonly string[]): Promise<void> {
    return this.uncertain.resolveAll(lease, ids);
  }

  /** The listing has shown that `jobs` are still open: puts off the look at each. Returns how many. */
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
      // One that PostgreSQL refuses must not keep the others from being put off.
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

  /** Ends jobs whose time is over while Reducto cannot be asked. */
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

  /** How many of these the gateway has seen end a while ago: a listing that calls them open is not to be believed. */
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
