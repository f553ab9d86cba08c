import { Injectable } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { Transactions } from '../platform/database/transactions.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { JobStore } from './job.store.js';

/** How long a task that was put in for an overdue job may take before the job is overdue again. */
const LEASE_SECONDS = 60;

/** The door of the jobs for the reconciler. */
@Injectable()
export class OverdueJobs {
  constructor(
    private readonly settings: Settings,
    private readonly store: JobStore,
    private readonly tasks: TaskQueue,
    private readonly transactions: Transactions,
  ) {}

  /** Claims the jobs that are due and puts in what each needs. Returns how many there were of each kind. */
  wake(): Promise<{ submits: number; settles: number }> {
    return this.transactions.run(async (manager) => {
      const due = await this.store.claimDue(
        manager,
        this.settings.RECONCILE_BATCH_SIZE,
        LEASE_SECONDS,
      );
      const queued = due.filter((job) => job.status === 'queued').map((job) => job.id);
      const others = due.filter((job) => job.status !== 'queued').map((job) => job.id);
      await this.tasks.add(manager, 'submit', queued);
      await this.tasks.add(manager, 'settle', others);
      return { submits: queued.length, settles: others.length };
    });
  }
}
