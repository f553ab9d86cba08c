import { Injectable } from '@nestjs/common';
import type { Lease } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { JobFailureHandler } from '../leases/job-failure.handler.js';
import { JobLeaseStore } from '../leases/job-lease.store.js';
import { JobWork } from '../leases/job-work.js';
import type { LeasedJob } from '../leases/leased-job.js';
import { CANCELS_DUE } from '../persistence/job-transitions.store.js';
import { UpstreamCanceller } from './upstream-canceller.js';

/** Due work: cancels that Reducto was not asked for yet. Polls repeat them while the job is open. */
@Injectable()
export class CancelWork extends JobWork {
  readonly name = 'cancel';
  readonly topic = CANCELS_DUE;
  protected readonly concurrency = 4;

  constructor(
    private readonly canceller: UpstreamCanceller,
    engine: WorkEngine,
    failureHandler: JobFailureHandler,
    leases: JobLeaseStore,
  ) {
    super(engine, failureHandler, leases);
  }

  lease(limit: number, lease: Lease): Promise<LeasedJob[]> {
    return this.leases.leaseCancels(limit, lease);
  }

  protected handle(job: LeasedJob): Promise<void> {
    return this.canceller.cancelJob(job);
  }
}
