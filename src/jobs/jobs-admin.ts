import { Injectable } from '@nestjs/common';
import { Transactions } from '../platform/database/transactions.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { addLogFields } from '../platform/logging/log-context.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { Wakeups } from '../tasks/wakeups.js';
import { CancelSteps } from './cancel-steps.js';
import type { JobEvent } from './job-event.entity.js';
import { JobReads, type EndedJobs, type JobSearch, type OpenJobs } from './job-reads.store.js';
import { JobQueueStore } from './job-queue.store.js';
import { isTerminal } from './job-status.js';
import type { Job } from './job.entity.js';
import { JOBS_QUEUED } from './job.store.js';
import { isJobId } from './source-references.js';

export type { EndedJobs, JobSearch, OpenJobs } from './job-reads.store.js';

/** How many of the last ends the figures are about, at most. */
const MOST_ENDS = 50_000;

/** The door of the jobs for admins, who see the jobs of all services. */
@Injectable()
export class JobsAdmin {
  constructor(
    private readonly reads: JobReads,
    private readonly cancels: CancelSteps,
    private readonly queue: JobQueueStore,
    private readonly tasks: TaskQueue,
    private readonly wakeups: Wakeups,
    private readonly transactions: Transactions,
  ) {}

  /** The newest first. */
  search(search: JobSearch, limit: number): Promise<Job[]> {
    return this.reads.search(search, limit);
  }

  /** By the gateway's id, or by Reducto's: both may be UUIDs. */
  async findByAnyId(id: string): Promise<Job | null> {
    const own = isJobId(id) ? await this.reads.findAny({ id }) : null;
    return own ?? (await this.reads.findAny({ upstreamId: id }));
  }

  /** Throws `job_not_found`. */
  async get(id: string): Promise<Job> {
    const job = isJobId(id) ? await this.reads.findAny({ id }) : null;
    if (job === null) throw new GatewayError('job_not_found');
    addLogFields({ jobId: job.id });
    return job;
  }

  /** A part of the timeline, the oldest first. */
  events(job: Job, after: string | undefined, limit: number): Promise<JobEvent[]> {
    return this.reads.listEvents(job.id, after, limit);
  }

  /** Has a worker look at the job now: sends it, or asks Reducto how it stands. Throws `job_already_ended`. */
  async settleNow(id: string): Promise<Job> {
    const job = await this.getOpen(id);
    if (job.status === 'queued') {
      await this.queue.bringForward([job.id]);
      this.wakeups.send(JOBS_QUEUED);
    } else {
      await this.transactions.run((manager) => this.tasks.add(manager, 'settle', [job.id]));
    }
    return job;
  }

  /** As its service can. Throws `job_already_ended`. */
  async cancel(id: string): Promise<Job> {
    const job = await this.getOpen(id);
    await this.cancels.request(job);
    return job;
  }

  open(): Promise<OpenJobs[]> {
    return this.reads.countOpen();
  }

  /** How the jobs of the last 24 hours came to their end, of the last so many. */
  ended(): Promise<EndedJobs> {
    return this.reads.describeEnds(24, MOST_ENDS);
  }

  private async getOpen(id: string): Promise<Job> {
    const job = await this.get(id);
    if (isTerminal(job.status)) {
      throw new GatewayError('job_already_ended', `The job is ${job.status}.`);
    }
    return job;
  }
}
