import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DELETIONS_DUE } from '../../jobs/job-ends.js';
import { JobsService } from '../../jobs/jobs.service.js';
import { Transactions } from '../../platform/database/transactions.js';
import type { BatchWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { EventErasureStore } from './event-erasure.store.js';

/** Due work: erases the data of deleted jobs from their events, once these are delivered. */
@Injectable()
export class EventErasureWork implements BatchWork, OnModuleInit {
  readonly name = 'erase_events';
  readonly topic = DELETIONS_DUE;
  readonly batchSize = 100;
  readonly yieldsWhenBusy = true;

  constructor(
    private readonly store: EventErasureStore,
    private readonly jobs: JobsService,
    private readonly transactions: Transactions,
    private readonly engine: WorkEngine,
  ) {}

  onModuleInit(): void {
    this.engine.addBatch(this);
  }

  /** Returns the number of jobs that it checked. */
  perform(): Promise<number> {
    return this.transactions.run(async (manager) => {
      const checked = await this.store.checkDue(manager, this.batchSize);
      const erasable = checked.filter(({ waits }) => !waits);
      if (erasable.length === 0) return checked.length;
      // A webhook that did not arrive may be recovered.
      const delivered = erasable.filter(({ isDelivered }) => isDelivered);
      await this.jobs.eraseWebhooks(
        manager,
        delivered.map(({ jobId }) => jobId),
      );
      await this.store.eraseEvents(
        manager,
        erasable.map(({ jobId }) => jobId),
      );
      return checked.length;
    });
  }
}
