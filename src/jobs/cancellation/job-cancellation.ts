import { Injectable } from '@nestjs/common';
import { Transactions } from '../../platform/database/transactions.js';
import { TaskQueue } from '../../tasks/task-queue.js';
import { JobMetrics } from '../job.metrics.js';
import type { Job } from '../job.entity.js';
import { JobTransitionsStore } from '../persistence/job-transitions.store.js';

/** Writes of a cancel, each in one transaction. */
@Injectable()
export class JobCancellation {
  constructor(
    private readonly transitions: JobTransitionsStore,
    private readonly tasks: TaskQueue,
    private readonly transactions: Transactions,
    private readonly metrics: JobMetrics,
  ) {}

  /**
   * Requests the cancel. A job that was not sent ends at once; otherwise Reducto is asked to cancel, and its
   * answer decides how the job ends.
   */
  async requestCancel(job: Job): Promise<void> {
    const ended = await this.transactions.run(async (manager) => {
      if (!(await this.transitions.requestCancel(manager, job.id))) return undefined;
      await this.transitions.addEvent(manager, job.id, 'cancel_requested');
      const unsent = await this.transitions.cancelUnsent(manager, job.id, [
        'submit_started_at IS NULL',
        {},
      ]);
      if (unsent === undefined) await this.tasks.add(manager, 'cancel', [job.id]);
      return unsent;
    });
    this.metrics.recordEnded('cancelled', ended, 'cancelled');
  }

  /** Reducto accepted the cancel: the job is polled soon. */
  recordCancelSent(job: Job): Promise<void> {
    return this.transactions.run(async (manager) => {
      if (await this.transitions.recordCancelSent(manager, job.id)) {
        await this.transitions.addEvent(manager, job.id, 'cancel_sent');
      }
    });
  }

  /** Reducto refused to cancel, as it may for a job that has ended: the job is polled at once. */
  recordRefusal(job: Job, status: number | undefined): Promise<void> {
    return this.transactions.run(async (manager) => {
      if (await this.transitions.recordCancelSent(manager, job.id)) {
        await this.transitions.addEvent(manager, job.id, 'cancel_sent', { refusedWith: status });
        await this.tasks.add(manager, 'poll', [job.id]);
      }
    });
  }
}
