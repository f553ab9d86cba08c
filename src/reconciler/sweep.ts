import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { DueJobsService, type DueJob } from '../jobs/due-jobs.service.js';
import { Settings } from '../platform/config/settings.js';
import { isDatabaseAway } from '../platform/database/database-errors.js';
import { UpstreamRateLimiter } from '../reducto/upstream-rate-limiter.js';
import { BulkStatusCheck, type CheckedJobs } from './bulk-status-check.js';
import { planSweep } from './sweep-plan.js';

/** Counts of a sweep, in jobs; `listingCalls` in requests. */
export interface SweepCounts {
  readonly searches: number;
  readonly polls: number;
  /** Rescheduled without a poll, because the listing shows them as open. */
  readonly bulkChecked: number;
  readonly expired: number;
  readonly listingCalls: number;
}

const NOTHING: CheckedJobs = { open: [], polls: [], calls: 0 };
const RENEWAL_SECONDS = 10;

/** One bounded sweep over due jobs: lease, decide, and start what each needs. */
@Injectable()
export class Sweep {
  private readonly logger = new Logger(Sweep.name);
  /** Leases of failed sweeps that are not released yet. */
  private readonly abandoned = new Set<string>();

  constructor(
    private readonly settings: Settings,
    private readonly dueJobs: DueJobsService,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly bulkCheck: BulkStatusCheck,
  ) {}

  async runSweep(): Promise<SweepCounts> {
    await this.releaseAbandoned();
    const lease = randomUUID();
    const renewal = setInterval(
      () => void this.dueJobs.renewLease(lease).catch(() => undefined),
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

  private async releaseAbandoned(): Promise<void> {
    for (const lease of this.abandoned) {
      await this.dueJobs.releaseLease(lease);
      this.abandoned.delete(lease);
    }
  }

  private async sweepBatch(lease: string): Promise<SweepCounts> {
    const upstreamUnavailable = (await this.rateLimiter.coolDownSeconds()) > 0;
    const jobs = await this.dueJobs.acquireLease(lease, upstreamUnavailable);
    const plan = planSweep(jobs, {
      upstreamUnavailable,
      listingFrom: this.bulkCheck.minJobs(),
      maxAgeSeconds: this.settings.JOB_MAX_AGE_SECONDS,
    });
    await this.requestPolls(lease, plan.polls);
    await this.dueJobs.expireJobs(lease, ids(plan.expirations));
    const checked = plan.bulkChecks.length > 0 ? await this.checkInBulk(plan.bulkChecks) : NOTHING;
    if (checked.open.length > 0) await this.dueJobs.rescheduleOpen(lease, checked.open);
    await this.requestPolls(lease, checked.polls);
    await this.dueJobs.resolveUncertain(lease, ids(plan.searches));
    return {
      searches: plan.searches.length,
      polls: plan.polls.length + checked.polls.length,
      bulkChecked: checked.open.length,
      expired: plan.expirations.length,
      listingCalls: checked.calls,
    };
  }

  /** Without a usable listing every job is polled. */
  private async checkInBulk(jobs: readonly DueJob[]): Promise<CheckedJobs> {
    try {
      return await this.bulkCheck.checkJobs(jobs);
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      this.logger.error({ msg: 'could not use Reducto’s listing', err: error });
      return { ...NOTHING, polls: jobs };
    }
  }

  private async requestPolls(lease: string, jobs: readonly DueJob[]): Promise<void> {
    if (jobs.length > 0) await this.dueJobs.requestPolls(lease, ids(jobs));
  }
}

function ids(jobs: readonly DueJob[]): string[] {
  return jobs.map(({ id }) => id);
}
