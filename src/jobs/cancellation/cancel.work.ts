import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Lease, LeasedWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { JobFailureHandler } from '../leases/job-failure.handler.js';
import { JobLeaseStore } from '../leases/job-lease.store.js';
import { asJobWork, JobWork } from '../leases/job-work.js';
import type { LeasedJob } from '../leases/leased-job.js';
import { CANCELS_DUE } from '../persistence/job-transitions.store.js';
import { UpstreamCanceller } from './upstream-canceller.js';

const CONCURRENCY = 4;

/** Due work: cancels that Reducto was not asked for yet. Polls repeat them while the job is open. */
@Injectable()
export class CancelWork extends JobWork implements LeasedWork<LeasedJob>, OnModuleInit {
  readonly name = 'cancel';
  readonly topic = CANCELS_DUE;

  constructor(
    private readonly engine: WorkEngine,
    private readonly canceller: UpstreamCanceller,
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

  lease(limit: number, lease: Lease): Promise<LeasedJob[]> {
    return this.leases.leaseCancels(limit, lease);
  }

  perform(job: LeasedJob): Promise<void> {
    return asJobWork(this.name, job, async () => {
      try {
        await this.canceller.cancelJob(job);
      } catch (error) {
        await this.failureHandler.handle(job, error);
      }
    });
  }
}
