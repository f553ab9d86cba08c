import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Lease, LeasedWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import { JobFailureHandler } from '../leases/job-failure.handler.js';
import { JobLeaseStore } from '../leases/job-lease.store.js';
import { asJobWork, JobWork } from '../leases/job-work.js';
import type { LeasedJob } from '../leases/leased-job.js';
import { UNCERTAIN_DUE } from '../persistence/job-transitions.store.js';
import { SubmissionRecovery } from './submission-recovery.js';

/** Jobs whose searches may share a walk through the listing. */
const CONCURRENCY = 1000;

/** Due work: submits with an unknown outcome. */
@Injectable()
export class RecoveryWork extends JobWork implements LeasedWork<LeasedJob>, OnModuleInit {
  readonly name = 'recovery';
  readonly topic = UNCERTAIN_DUE;

  constructor(
    private readonly engine: WorkEngine,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly recovery: SubmissionRecovery,
    private readonly failureHandler: JobFailureHandler,
    leases: JobLeaseStore,
  ) {
    super(leases);
  }

  onModuleInit(): void {
    this.engine.addLeased(this);
  }

  freeSlots(running: number): number {
    return CONCURRENCY - running;
  }

  /** While Reducto is unavailable, due jobs stay where they are. */
  async lease(limit: number, lease: Lease): Promise<LeasedJob[]> {
    const allowed = await this.rateLimiter.allowance();
    return allowed === 0 ? [] : this.leases.leaseUncertain(limit, lease);
  }

  perform(job: LeasedJob): Promise<void> {
    return asJobWork(this.name, job, async () => {
      try {
        await this.recovery.resolve(job);
      } catch (error) {
        await this.failureHandler.handle(job, error);
      }
    });
  }
}
