import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { DueJobsService, type DueJob } from '../jobs/due-jobs.service.js';
import { Settings } from '../platform/config/settings.js';
import { isDatabaseAway } from '../platform/database/database-errors.js';
import { UpstreamRateLimiter } from '../reducto/upstream-rate-limiter.js';
import { BulkStatusCheck, type CheckedJobs } from './bulk-status-check.js';
import { planSweep } from './sweep-plan.js';

/** What a pass did, in jobs; `listingCalls` in requests. */
export interface SweepCounts {
  readonly searches: number;
  readonly polls: number;
  /** Put off without a look, because the listing shows them as open. */
  readonly bulkChecked: number;
  readonly expired: number;
  readonly listingCalls: number;
}

const NOTHING: CheckedJobs = { open: [], polls: [], calls: 0 };
const RENEWAL_SECONDS = 10;

/** One bounded pass over the jobs that are due: claim, decide, and set going what each needs. */
@Injectable()
export class Sweep {
  private readonly logger = new Logger(Sweep.name);
  /** Claims of passes that broke off: until they are let go of, nobody takes their jobs up. */
  private readonly abandoned = new Set<string>();

  constructor(
    private readonly settings: Settings,
    private readonly overdue: DueJobsService,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly check: BulkStatusCheck,
  ) {}

  async runSweep(): Promise<SweepCounts> {
    await this.releaseLease();
    const lease = randomUUID();
    const renewal = setInterval(
      () => void this.overdue.renewLease(lease).catch(() => undefined),
      RENEWAL_SECONDS * 1000,
    );
    try {
      return await this.sweepBatch(lease);
    } catch (error) {
      this.abandoned.add(lease);
      throw error;
    } finally {
      clearInterval(renewal);
    }
  }

  private async releaseLease(): Promise<void> {
    for (const lease of this.abandoned) {
      await this.overdue.releaseLease(lease);
      this.abandoned.delete(lease);
    }
  }

  private async sweepBatch(lease: string): Promise<SweepCounts> {
    const upstreamHeld = (await this.rateLimiter.coolDownSeconds()) > 0;
    const jobs = await this.overdue.acquireLease(lease, upstreamHeld);
    const plan = planSweep(jobs, {
      upstreamHeld,
      listingFrom: this.check.minJobs(),
      maxAgeSeconds: this.settings.JOB_MAX_AGE_SECONDS,
    });
    await this.requestPolls(lease, plan.polls);
    await this.overdue.expireJobs(lease, ids(plan.expirations));
    const narrowed = plan.bulkChecks.length > 0 ? await this.checkInBulk(plan.bulkChecks) : NOTHING;
    if (narrowed.open.length > 0) await this.overdue.rescheduleOpen(lease, narrowed.open);
    await this.requestPolls(lease, narrowed.polls);
    await this.overdue.resolveUncertain(lease, ids(plan.searches));
    return {
      searches: plan.searches.length,
      polls: plan.polls.length + narrowed.polls.length,
      bulkChecked: narrowed.open.length,
      expired: plan.expirations.length,
      listingCalls: narrowed.calls,
    };
  }

  /** Without a usable listing every job is polled. */
  private async checkInBulk(jobs: readonly DueJob[]): Promise<CheckedJobs> {
    try {
      return await this.check.checkJobs(jobs);
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      this.logger.error({ msg: 'the listing of Reducto could not be used', err: error });
      return { ...NOTHING, polls: jobs };
    }
  }

  private async requestPolls(lease: string, jobs: readonly DueJob[]): Promise<void> {
    if (jobs.length > 0) await this.overdue.requestPolls(lease, ids(jobs));
  }
}

function ids(jobs: readonly DueJob[]): string[] {
  return jobs.map(({ id }) => id);
}
