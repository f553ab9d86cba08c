import { Injectable } from '@nestjs/common';
import { Batches } from '../platform/batches.js';
import { Wakeups } from '../tasks/wakeups.js';
import { Job } from './job.entity.js';
import { JobSubmitsStore, type NewJob } from './job-submits.store.js';
import { JOBS_QUEUED } from './job.store.js';

const TOGETHER = { size: 100, waiting: 2000, atATime: 2 };
/** A large request goes alone: one statement cannot hold a hundred of them. */
const LARGE_BYTES = 100_000;

/** Accepts jobs: one statement, and one commit, for all that come at about the same time. */
@Injectable()
export class Acceptances {
  private readonly together = new Batches<NewJob, Job | 'repeated'>(
    (jobs) => this.accept(jobs),
    TOGETHER,
  );

  constructor(
    private readonly store: JobSubmitsStore,
    private readonly wakeups: Wakeups,
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
    const accepted = await this.store.insert(jobs);
    this.wakeups.send(JOBS_QUEUED);
    const byId = new Map(accepted.map((job) => [job.id, job]));
    return jobs.map(({ id }) => byId.get(id) ?? 'repeated');
  }
}
