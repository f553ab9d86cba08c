import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { WorkerLock } from '../../platform/work/worker-lock.js';
import { UNCERTAIN_REASON } from '../submission/submission-transitions.js';
import { JobLeaseStore } from './job-lease.store.js';

/** Frees the jobs of dead workers. */
@Injectable()
export class GoneWorkerJobs implements OnModuleInit {
  private readonly logger = new Logger(GoneWorkerJobs.name);

  constructor(
    private readonly settings: Settings,
    private readonly lock: WorkerLock,
    private readonly leases: JobLeaseStore,
  ) {}

  onModuleInit(): void {
    this.lock.onGone('jobs', async (manager, worker) => {
      const { UNCERTAIN_LISTING_LAG_SECONDS: lagSeconds } = this.settings;
      const freed = await this.leases.freeWorker(manager, worker, lagSeconds, UNCERTAIN_REASON);
      this.logger.warn({
        msg: 'jobs of a worker that is gone are free',
        worker: worker.id,
        ...freed,
      });
    });
  }
}
