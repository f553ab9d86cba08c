import { Injectable, Logger } from '@nestjs/common';
import { DueJobsService } from '../jobs/due-jobs.service.js';
import { isDatabaseAway } from '../platform/database/database-errors.js';
import { DatabaseSession } from '../platform/work/database-session.js';
import { UpstreamRateLimiter } from '../reducto/upstream-rate-limiter.js';
import { BulkStatusCheck } from './bulk-status-check.js';

/** Counts of a sweep, in jobs; `listingCalls` in requests. */
export interface SweepCounts {
  /** Polled before the others, because the listing does not show them as open. */
  readonly polls: number;
  /** Rescheduled without a poll, because the listing shows them as open. */
  readonly bulkChecked: number;
  readonly expired: number;
  readonly listingCalls: number;
}

const NOTHING: SweepCounts = { polls: 0, bulkChecked: 0, expired: 0, listingCalls: 0 };

/** One process at a time walks the listing. */
const LOCK_NAME = 'sweep';

/**
 * One bounded sweep over jobs that are due by their schedule alone. Few are left to their polls; of many, the
 * listing says which are still open. While Reducto is unavailable, jobs past the maximum age expire.
 */
@Injectable()
export class Sweep {
  private readonly logger = new Logger(Sweep.name);

  constructor(
    private readonly dueJobs: DueJobsService,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly bulkCheck: BulkStatusCheck,
    private readonly session: DatabaseSession,
  ) {}

  async runSweep(): Promise<SweepCounts> {
    if ((await this.rateLimiter.polls.allowance()) === 0) {
      return { ...NOTHING, expired: await this.dueJobs.expireJobs() };
    }
    if ((await this.rateLimiter.submits.allowance()) === 0) {
      const expired = await this.dueJobs.expireJobs();
      return { ...(await this.checkDue()), expired };
    }
    return this.checkDue();
  }

  private async checkDue(): Promise<SweepCounts> {
    const minJobs = this.bulkCheck.minJobs();
    if (minJobs === Infinity) return NOTHING;
    return (await this.session.withLock(LOCK_NAME, () => this.checkMany(minJobs))) ?? NOTHING;
  }

  private async checkMany(minJobs: number): Promise<SweepCounts> {
    const jobs = await this.dueJobs.findDue();
    if (jobs.length < minJobs) return NOTHING;
    try {
      const checked = await this.bulkCheck.checkJobs(jobs);
      return {
        ...NOTHING,
        bulkChecked: await this.dueJobs.rescheduleOpen(checked.open),
        polls: await this.dueJobs.requestPolls(checked.polls),
        listingCalls: checked.calls,
      };
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      this.logger.error({ msg: 'could not use Reducto’s listing', err: error });
      return NOTHING;
    }
  }
}
