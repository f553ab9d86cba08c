import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { classifyDatabaseError } from '../platform/database/database-errors.js';
import { Notifications } from '../platform/work/notifications.js';
import { WorkerLock } from '../platform/work/worker-lock.js';
import { expiredAfter } from './job-error.js';
import { JobFailureHandler } from './leases/job-failure.handler.js';
import { JobLeaseStore } from './leases/job-lease.store.js';
import { JobQueries } from './persistence/job-queries.store.js';
import { POLLS_DUE } from './persistence/job-transitions.store.js';
import { DueJobsStore, type DueJob } from './polling/due-jobs.store.js';
import {
  jittered,
  pollLimits,
  secondsUntilNextPoll,
  type PollLimits,
} from './polling/poll-policy.js';
import { PollTransitions } from './polling/poll-transitions.js';

export type { DueJob } from './polling/due-jobs.store.js';

/** Due jobs, for the reconciler. */
@Injectable()
export class DueJobsService {
  private readonly logger = new Logger(DueJobsService.name);
  private readonly limits: PollLimits;

  constructor(
    private readonly settings: Settings,
    private readonly due: DueJobsStore,
    private readonly leases: JobLeaseStore,
    private readonly lock: WorkerLock,
    private readonly queries: JobQueries,
    private readonly transitions: PollTransitions,
    private readonly failureHandler: JobFailureHandler,
    private readonly notifications: Notifications,
  ) {
    this.limits = pollLimits(settings);
  }

  /** Submitted jobs that are due by their schedule alone, the longest due first. */
  findDue(): Promise<DueJob[]> {
    return this.due.findDue(this.settings.RECONCILE_BATCH_SIZE, this.limits.maxAgeSeconds);
  }

  /** Has `jobs` polled before the others. Returns how many. */
  async requestPolls(jobs: readonly DueJob[]): Promise<number> {
    if (jobs.length === 0) return 0;
    const count = await this.due.requestPolls(jobs.map(({ id }) => id));
    this.notifications.send(POLLS_DUE);
    return count;
  }

  /** Reschedules `jobs`, which the listing shows as open. Returns how many. */
  async rescheduleOpen(jobs: readonly DueJob[]): Promise<number> {
    if (jobs.length === 0) return 0;
    const waits = jobs.map((job) => jittered(secondsUntilNextPoll(asWaiting(job), this.limits)));
    try {
      return await this.due.reschedule(
        jobs.map(({ id }) => id),
        waits,
      );
    } catch (error) {
      if (classifyDatabaseError(error) !== 'data') throw error;
      // A job that PostgreSQL refuses must not keep the others from being rescheduled; its poll ends it.
      if (jobs.length === 1) return this.requestPolls(jobs);
      let count = 0;
      for (const job of jobs) count += await this.rescheduleOpen([job]);
      return count;
    }
  }

  /** Expires due jobs past the maximum age, for the time while Reducto cannot be asked. Returns how many. */
  async expireJobs(): Promise<number> {
    const worker = this.lock.heldBy;
    if (worker === undefined) return 0;
    const { maxAgeSeconds } = this.limits;
    const lease = { id: randomUUID(), worker };
    const { RECONCILE_BATCH_SIZE: limit } = this.settings;
    const jobs = await this.leases.leaseTooOld(limit, lease, maxAgeSeconds);
    const error = expiredAfter(maxAgeSeconds);
    for (const job of jobs) {
      try {
        if (await this.transitions.endJob(job, 'expired', error)) {
          this.logger.error({ msg: 'job expired', jobId: job.id, code: error.code });
        }
      } catch (thrown) {
        await this.failureHandler.handle(job, thrown);
      }
    }
    return jobs.length;
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
