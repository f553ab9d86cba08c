import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import {
  classifyDatabaseError,
  isTransient,
  sqlStateOf,
} from '../../platform/database/database-errors.js';
import { expiredAfter, UNSTORABLE, UPSTREAM_UNUSABLE, type JobError } from '../job-error.js';
import {
  jittered,
  pollLimits,
  secondsUntilNextPoll,
  type PollLimits,
} from '../polling/poll-policy.js';
import { PollTransitions } from '../polling/poll-transitions.js';
import { JobLeaseStore } from './job-lease.store.js';
import type { LeasedJob } from './leased-job.js';

/**
 * Decides what becomes of a job whose handler threw, so that no error keeps a job open for ever: it ends at once
 * where PostgreSQL refuses the data, else it is polled on the usual schedule, and expires at the maximum age.
 */
@Injectable()
export class JobFailureHandler {
  private readonly logger = new Logger(JobFailureHandler.name);
  private readonly limits: PollLimits;

  constructor(
    settings: Settings,
    private readonly leases: JobLeaseStore,
    private readonly transitions: PollTransitions,
  ) {
    this.limits = pollLimits(settings);
  }

  /** Rethrows `error` if the database may recover soon: the job is due again then. */
  async handle(job: LeasedJob, error: unknown): Promise<void> {
    if (isTransient(error)) throw error;
    const kind = classifyDatabaseError(error);
    // The message of PostgreSQL may quote the data.
    const cause = kind === 'data' ? { sqlState: sqlStateOf(error) } : { err: error };
    this.logger.error({ msg: 'could not process a job', jobId: job.id, ...cause });
    const unstorable = job.status === 'queued' ? UNSTORABLE : UPSTREAM_UNUSABLE;
    const ageSeconds = job.ages.created;
    if (kind === 'data' && (await this.end(job, 'failed', unstorable))) return;
    const { maxAgeSeconds } = this.limits;
    if (ageSeconds >= maxAgeSeconds) {
      if (await this.end(job, 'expired', expiredAfter(maxAgeSeconds))) return;
    }
    const polls = { polls: job.polls + 1, ageSeconds };
    const plan = { ...polls, sinceCallbackSeconds: null, sinceCancelSeconds: null };
    const seconds = jittered(secondsUntilNextPoll(plan, this.limits));
    await this.leases.releaseFailedPoll(job, seconds);
  }

  private async end(
    job: LeasedJob,
    status: 'failed' | 'expired',
    error: JobError,
  ): Promise<boolean> {
    try {
      const ended = await this.transitions.endJob(job, status, error);
      if (ended && status === 'expired') {
        this.logger.error({ msg: 'job expired', jobId: job.id, code: error.code });
      }
      return true;
    } catch (thrown) {
      if (classifyDatabaseError(thrown) !== 'data') throw thrown;
      return false;
    }
  }
}
