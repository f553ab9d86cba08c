import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import type { Lease } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import { JobFailureHandler } from '../leases/job-failure.handler.js';
import { JobLeaseStore } from '../leases/job-lease.store.js';
import { JobWork } from '../leases/job-work.js';
import type { LeasedJob } from '../leases/leased-job.js';
import { POLLS_DUE } from '../persistence/job-transitions.store.js';
import { JobPoller } from './job-poller.js';

/** Due work: polls of submitted jobs. */
@Injectable()
export class PollWork extends JobWork {
  readonly name = 'poll';
  readonly topic = POLLS_DUE;
  protected readonly concurrency: number;

  constructor(
    settings: Settings,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly poller: JobPoller,
    engine: WorkEngine,
    failureHandler: JobFailureHandler,
    leases: JobLeaseStore,
  ) {
    super(engine, failureHandler, leases);
    this.concurrency = settings.POLL_CONCURRENCY;
  }

  /** While Reducto is unavailable, due jobs stay where they are. */
  async lease(limit: number, lease: Lease): Promise<LeasedJob[]> {
    const allowed = Math.min(limit, await this.rateLimiter.allowance());
    return allowed === 0 ? [] : this.leases.leasePolls(allowed, lease);
  }

  protected handle(job: LeasedJob): Promise<void> {
    return this.poller.pollJob(job);
  }
}
