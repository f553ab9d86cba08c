import { Injectable } from '@nestjs/common';
import type { Lease } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import { JobFailureHandler } from '../leases/job-failure.handler.js';
import { JobLeaseStore } from '../leases/job-lease.store.js';
import { JobWork } from '../leases/job-work.js';
import type { LeasedJob } from '../leases/leased-job.js';
import { UNCERTAIN_DUE } from '../persistence/job-transitions.store.js';
import { SubmissionRecovery } from './submission-recovery.js';

/** Due work: submits with an unknown outcome. */
@Injectable()
export class RecoveryWork extends JobWork {
  readonly name = 'recovery';
  readonly topic = UNCERTAIN_DUE;
  /** Searches that can share one walk. */
  protected readonly concurrency = 1000;

  constructor(
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly recovery: SubmissionRecovery,
    engine: WorkEngine,
    failureHandler: JobFailureHandler,
    leases: JobLeaseStore,
  ) {
    super(engine, failureHandler, leases);
  }

  /** While Reducto is unavailable, due jobs stay where they are. */
  async lease(limit: number, lease: Lease): Promise<LeasedJob[]> {
    const allowed = await this.rateLimiter.polls.allowance();
    return allowed === 0 ? [] : this.leases.leaseUncertain(limit, lease);
  }

  protected handle(job: LeasedJob): Promise<void> {
    return this.recovery.resolve(job);
  }
}
