import { Injectable } from '@nestjs/common';
import { Batches } from '../platform/batches.js';
import { Transactions } from '../platform/database/transactions.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { Job } from './job.entity.js';
import { JobStore, type NewJob } from './job.store.js';

/**
 * When the reconciler takes up a job whose submit task got lost. Only a net: the task is in the same
 * transaction as the job.
 */
const FIRST_CHECK_SECONDS = 30;

const TOGETHER = { size: 100, waiting: 2000, atATime: 2 };
/** A large request goes alone: one statement cannot hold a hundred of them. */
const LARGE_BYTES = 100_000;

/**
 * Accepts jobs, each with its task, in one transaction for all that come at about the same time. Tasks
 * announce themselves by NOTIFY, and with it only one transaction of a database can commit at a time: one
 * by one, that would be the limit of all replicas together.
 */
@Injectable()
export class Acceptances {
  private readonly together = new Batches<NewJob, Job | 'repeated'>(
    (jobs) => this.accept(jobs),
    TOGETHER,
  );

  constructor(
    private readonly store: JobStore,
    private readonly tasks: TaskQueue,
    private readonly transactions: Transactions,
  ) {}

  /**
   * Once this resolves the job is durable, and will be submitted. `repeated`: the service used the idempotency
   * key before. `bytes`: about how large the job is. Throws `unavailable` where too many wait.
   */
  async add(job: NewJob, bytes: number): Promise<Job | 'repeated'> {
    if (bytes <= LARGE_BYTES) return this.together.add(job);
    const [accepted = 'repeated'] = await this.accept([job]);
    return accepted;
  }

  private async accept(jobs: readonly NewJob[]): Promise<(Job | 'repeated')[]> {
    const accepted = await this.transactions.run(async (manager) => {
      const inserted = await this.store.insert(manager, jobs, FIRST_CHECK_SECONDS);
      const ids = inserted.map(({ id }) => id);
      await this.tasks.add(manager, 'submit', ids);
      return inserted;
    });
    const byId = new Map(accepted.map((job) => [job.id, job]));
    return jobs.map(({ id }) => byId.get(id) ?? 'repeated');
  }
}
