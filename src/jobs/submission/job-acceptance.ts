import { Injectable } from '@nestjs/common';
import { Batches } from '../../platform/batches.js';
import { Notifications } from '../../platform/work/notifications.js';
import { Job } from '../job.entity.js';
import { DependentJobs, type Dependent } from './dependent-jobs.js';
import { JobSubmissionStore, type NewJob } from './job-submission.store.js';
import { JOBS_QUEUED } from '../persistence/job-transitions.store.js';

const BATCH_LIMITS = { size: 100, waiting: 2000, concurrency: 2 };
/** Larger requests are not batched. */
const LARGE_BYTES = 100_000;

/** Inserts accepted jobs in batches: concurrent requests share a statement and a commit. */
@Injectable()
export class JobAcceptance {
  private readonly batches = new Batches<NewJob, Job | 'repeated'>(
    (jobs) => this.acceptBatch(jobs, this.submission.insertJobs(jobs)),
    BATCH_LIMITS,
  );
  /** Separate, because they take a transaction. */
  private readonly dependents = new Batches<Dependent<NewJob>, Job | 'repeated'>(
    (dependents) =>
      this.acceptBatch(
        dependents.map(({ job }) => job),
        this.dependentJobs.insertJobs(dependents),
      ),
    BATCH_LIMITS,
  );

  constructor(
    private readonly submission: JobSubmissionStore,
    private readonly dependentJobs: DependentJobs,
    private readonly notifications: Notifications,
  ) {}

  /**
   * Once this resolves the job is durable. `repeated`: the service used the idempotency key before. `bytes`: size
   * of the request; `inputs`: open jobs whose results it needs. Throws `unavailable` if the queue of inserts is full.
   */
  async acceptJob(
    job: NewJob,
    bytes: number,
    inputs: readonly string[],
  ): Promise<Job | 'repeated'> {
    // A large one would hold the locks of its inputs for long: a worker puts it to sleep.
    if (bytes > LARGE_BYTES) {
      const [accepted = 'repeated'] = await this.acceptBatch(
        [job],
        this.submission.insertJobs([job]),
      );
      return accepted;
    }
    if (inputs.length > 0) return this.dependents.addItem({ job, inputs });
    return this.batches.addItem(job);
  }

  private async acceptBatch(
    jobs: readonly NewJob[],
    insert: Promise<readonly Job[]>,
  ): Promise<(Job | 'repeated')[]> {
    const accepted = await insert;
    this.notifications.send(JOBS_QUEUED);
    const byId = new Map(accepted.map((job) => [job.id, job]));
    return jobs.map(({ id }) => byId.get(id) ?? 'repeated');
  }
}
