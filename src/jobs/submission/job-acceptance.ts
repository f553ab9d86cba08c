import { Injectable } from '@nestjs/common';
import { Batches } from '../../platform/batches.js';
import { Notifications } from '../../platform/work/notifications.js';
import { Job } from '../job.entity.js';
import { JobSubmissionStore, type NewJob } from './job-submission.store.js';
import { JOBS_QUEUED } from '../persistence/job-transitions.store.js';

const BATCH_LIMITS = { size: 100, waiting: 2000, concurrency: 2 };
/** Larger requests are not batched. */
const LARGE_BYTES = 100_000;

/** Inserts accepted jobs in batches: concurrent requests share a statement and a commit. */
@Injectable()
export class JobAcceptance {
  private readonly batches = new Batches<NewJob, Job | 'repeated'>(
    (jobs) => this.acceptBatch(jobs),
    BATCH_LIMITS,
  );

  constructor(
    private readonly submission: JobSubmissionStore,
    private readonly notifications: Notifications,
  ) {}

  /**
   * Once this resolves the job is durable. `repeated`: the service used the idempotency key before. `bytes`: size
   * of the request. Throws `unavailable` if the queue of inserts is full.
   */
  async acceptJob(job: NewJob, bytes: number): Promise<Job | 'repeated'> {
    if (bytes <= LARGE_BYTES) return this.batches.addItem(job);
    const [accepted = 'repeated'] = await this.acceptBatch([job]);
    return accepted;
  }

  private async acceptBatch(jobs: readonly NewJob[]): Promise<(Job | 'repeated')[]> {
    const accepted = await this.submission.insertJobs(jobs);
    this.notifications.send(JOBS_QUEUED);
    const byId = new Map(accepted.map((job) => [job.id, job]));
    return jobs.map(({ id }) => byId.get(id) ?? 'repeated');
  }
}
