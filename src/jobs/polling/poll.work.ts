import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import type { Lease, LeasedWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import { JobFailureHandler } from '../leases/job-failure.handler.js';
import { JobLeaseStore } from '../leases/job-lease.store.js';
import { asJobWork, JobWork } from '../leases/job-work.js';
import type { LeasedJob } from '../leases/leased-job.js';
import { POLLS_DUE } from '../persistence/job-transitions.store.js';
import { JobPoller } from './job-poller.js';

/** Due work: polls of submitted jobs. */
@Injectable()
export class PollWork extends JobWork implements LeasedWork<LeasedJob>, OnModuleInit {
  readonly name = 'poll';
  readonly topic = POLLS_DUE;

  constructor(
    private readonly settings: Settings,
    private readonly engine: WorkEngine,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly poller: JobPoller,
    private readonly failureHandler: JobFailureHandler,
    leases: JobLeaseStore,
  ) {
    super(leases);
  }

  onModuleInit(): void {
    this.engine.addLeased(this);
  }

  freeSlots(running: number): number {
    return this.settings.POLL_CONCURRENCY - running;
  }

  /** While Reducto is unavailable, due jobs stay where they are. */
  async lease(limit: number, lease: Lease): Promise<LeasedJob[]> {
    const allowed = Math.min(limit, await this.rateLimiter.allowance());
    return allowed === 0 ? [] : this.leases.leasePolls(allowed, lease);
  }

  perform(job: LeasedJob): Promise<void> {
    return asJobWork(this.name, job, async () => {
      try {
        await this.poller.pollJob(job);
      } catch (error) {
        await this.failureHandler.handle(job, error);
      }
    });
  }
}
