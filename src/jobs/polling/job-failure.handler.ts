import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { classifyDatabaseError, sqlStateOf } from '../../platform/database/database-errors.js';
import { JobLeaseStore } from './job-lease.store.js';
import { expiredAfter, UPSTREAM_UNUSABLE, type JobError } from '../job-error.js';
import { JobQueries } from '../persistence/job-queries.store.js';
import { jittered, pollLimits, secondsUntilNextPoll, type PollLimits } from './poll-policy.js';
import { PollTransitions } from './poll-transitions.js';

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
    private readonly queries: JobQueries,
    private readonly transitions: PollTransitions,
  ) {
    this.limits = pollLimits(settings);
  }

  /** The caller holds `lease`. Rethrows `error` if the database may recover soon. */
  async handle(id: string, lease: string, error: unknown): Promise<void> {
    const kind = classifyDatabaseError(error);
    if (['unavailable', 'read_only', 'conflict'].includes(kind)) {
      // Without this the job would wait for the end of the lease.
      await this.leases.releaseLease(id, lease, 1).catch(() => undefined);
      throw error;
    }
    // The message of PostgreSQL may quote the data.
    const cause = kind === 'data' ? { sqlState: sqlStateOf(error) } : { err: error };
    this.logger.error({ msg: 'could not process a job', jobId: id, ...cause });
    const open = await this.queries.findOpen(id);
    if (open === undefined || open.job.lease !== lease) return;
    const ageSeconds = open.ages.created;
    if (kind === 'data' && (await this.end(id, lease, 'failed', UPSTREAM_UNUSABLE))) return;
    const { maxAgeSeconds } = this.limits;
    if (ageSeconds >= maxAgeSeconds) {
      if (await this.end(id, lease, 'expired', expiredAfter(maxAgeSeconds))) return;
    }
    const polls = { polls: open.job.polls + 1, ageSeconds };
    const plan = { ...polls, sinceCallbackSeconds: null, sinceCancelSeconds: null };
    await this.leases.releaseFailedPoll(
      id,
      lease,
      jittered(secondsUntilNextPoll(plan, this.limits)),
    );
  }

  private async end(
    id: string,
    lease: string,
    status: 'failed' | 'expired',
    error: JobError,
  ): Promise<boolean> {
    try {
      const ended = await this.transitions.endJob({ id }, lease, status, error);
      if (ended && status === 'expired') {
        this.logger.error({ msg: 'job expired', jobId: id, code: error.code });
      }
      return true;
    } catch (thrown) {
      if (classifyDatabaseError(thrown) !== 'data') throw thrown;
      return false;
    }
  }
}
