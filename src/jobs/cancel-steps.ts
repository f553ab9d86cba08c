import { Injectable } from '@nestjs/common';
import { Transactions } from '../platform/database/transactions.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { JobFigures } from './job-figures.js';
import type { Job } from './job.entity.js';
import { JobStore } from './job.store.js';

/** The steps by which a job is cancelled, each as one transaction. */
@Injectable()
export class CancelSteps {
  constructor(
    private readonly store: JobStore,
    private readonly tasks: TaskQueue,
    private readonly transactions: Transactions,
    private readonly figures: JobFigures,
  ) {}

  /**
   * Notes the wish to cancel. A job that was not sent yet ends here and now; else Reducto is told,
   * and how the job ends is for Reducto to say.
   */
  async request(job: Job): Promise<void> {
    const ended = await this.transactions.run(async (manager) => {
      if (!(await this.store.requestCancel(manager, job.id))) return undefined;
      await this.store.addEvent(manager, job.id, 'cancel_requested');
      const unsent = await this.store.endUnsent(manager, job.id, ['submit_started_at IS NULL', {}]);
      if (unsent === undefined) await this.tasks.add(manager, 'cancel', [job.id]);
      return unsent;
    });
    this.figures.ended('cancelled', ended, 'cancelled');
  }

  /** Reducto has been told to cancel: the job is polled soon. */
  sent(job: Job): Promise<void> {
    return this.transactions.run(async (manager) => {
      if (await this.store.noteCancelSent(manager, job.id)) {
        await this.store.addEvent(manager, job.id, 'cancel_sent');
      }
    });
  }

  /** Reducto refused to cancel, as it may for a job that has ended: the job is polled at once. */
  refused(job: Job, status: number | undefined): Promise<void> {
    return this.transactions.run(async (manager) => {
      if (await this.store.noteCancelSent(manager, job.id)) {
        await this.store.addEvent(manager, job.id, 'cancel_sent', { refusedWith: status });
        await this.tasks.add(manager, 'settle', [job.id]);
      }
    });
  }
}
