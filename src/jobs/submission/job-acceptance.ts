import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Batches } from '../../platform/batches.js';
import { Transactions } from '../../platform/database/transactions.js';
import { Notifications } from '../../platform/work/notifications.js';
import { Job } from '../job.entity.js';
import { ServiceLimitsStore } from '../services/service-limits.store.js';
import { DependentJobs, type Dependent } from './dependent-jobs.js';
import { JobSubmissionStore, type NewJob } from './job-submission.store.js';
import { JOBS_QUEUED } from '../persistence/job-transitions.store.js';

const BATCH_LIMITS = { size: 100, waiting: 2000, concurrency: 2 };
/** Larger requests are not batched. */
const LARGE_BYTES = 100_000;

/**
 * The job; `repeated` if the service used the idempotency key before; `queue_full` if the service has as many queued
 * jobs as it may.
 */
export type Acceptance = Job | 'repeated' | 'queue_full';

/** Inserts jobs; in the transaction of `admitted`, also those of services that limit their queued jobs. */
type Insert<Item> = (items: readonly Item[], admitted?: EntityManager) => Promise<readonly Job[]>;

/** Inserts accepted jobs in batches: concurrent requests share a statement and a commit. */
@Injectable()
export class JobAcceptance {
  private readonly batches = new Batches<Dependent<NewJob>, Acceptance>(
    (jobs) => this.acceptBatch(jobs, this.insertJobs),
    BATCH_LIMITS,
  );
  /** Separate, because they take a transaction. */
  private readonly dependents = new Batches<Dependent<NewJob>, Acceptance>(
    (jobs) => this.acceptBatch(jobs, this.insertDependents),
    BATCH_LIMITS,
  );

  constructor(
    private readonly submission: JobSubmissionStore,
    private readonly dependentJobs: DependentJobs,
    private readonly limits: ServiceLimitsStore,
    private readonly transactions: Transactions,
    private readonly notifications: Notifications,
  ) {}

  /**
   * Once this resolves the job is durable. `bytes`: size of the request; `inputs`: open jobs whose results it needs.
   * Throws `unavailable` if the queue of inserts is full.
   */
  async acceptJob(job: NewJob, bytes: number, inputs: readonly string[]): Promise<Acceptance> {
    // A large one would hold the locks of its inputs for long: a worker puts it to sleep.
    if (bytes > LARGE_BYTES) {
      const [accepted = 'repeated'] = await this.acceptBatch([{ job, inputs }], this.insertJobs);
      return accepted;
    }
    const batches = inputs.length > 0 ? this.dependents : this.batches;
    return batches.addItem({ job, inputs });
  }

  private async acceptBatch(
    items: readonly Dependent<NewJob>[],
    insert: Insert<Dependent<NewJob>>,
  ): Promise<Acceptance[]> {
    const accepted = new Map<string, Acceptance>();
    for (const job of await insert(items)) accepted.set(job.id, job);
    const left = items.filter(({ job }) => !accepted.has(job.id));
    if (left.length > 0) await this.acceptWithinLimits(left, insert, accepted);
    this.notifications.send(JOBS_QUEUED);
    return items.map(({ job }) => accepted.get(job.id) ?? 'repeated');
  }

  /** Inserts jobs of services that limit their queued jobs, while it holds the locks of their limits. */
  private async acceptWithinLimits(
    items: readonly Dependent<NewJob>[],
    insert: Insert<Dependent<NewJob>>,
    accepted: Map<string, Acceptance>,
  ): Promise<void> {
    await this.transactions.run(async (manager) => {
      const services = new Set(items.map(({ job }) => job.service));
      const room = await this.limits.lockRoom(manager, [...services]);
      const admitted = items.filter(({ job: { id, service } }) => {
        const left = room.get(service);
        if (left === undefined) return true;
        room.set(service, left - 1);
        if (left <= 0) accepted.set(id, 'queue_full');
        return left > 0;
      });
      if (admitted.length === 0) return;
      for (const job of await insert(admitted, manager)) accepted.set(job.id, job);
    });
  }

  private readonly insertJobs: Insert<Dependent<NewJob>> = (items, admitted) => {
    const jobs = items.map(({ job }) => job);
    return admitted === undefined
      ? this.submission.insertJobs(jobs)
      : this.submission.insertJobs(jobs, undefined, admitted, true);
  };

  private readonly insertDependents: Insert<Dependent<NewJob>> = (items, admitted) =>
    this.dependentJobs.insertJobs(items, admitted);
}
