import { Injectable } from '@nestjs/common';
import { Transactions } from '../platform/database/transactions.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { addLogFields } from '../platform/logging/log-context.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { Wakeups } from '../tasks/wakeups.js';
import { CancelSteps } from './cancel-steps.js';
import { HeldPolls } from './held-polls.js';
import type { JobEvent } from './job-event.entity.js';
import { JobReads } from './job-reads.store.js';
import {
  JobSearchStore,
  type JobCount,
  type JobSearch,
  type JobsOverview,
  type Period,
} from './job-search.store.js';
import { JobQueueStore } from './job-queue.store.js';
import { isTerminal } from './job-status.js';
import type { Job } from './job.entity.js';
import { JOBS_QUEUED } from './job.store.js';
import type { JobResult } from './job-result.entity.js';
import { throwNoResult } from './no-result.js';
import { pagesOf } from './result-usage.js';
import { ResultStore } from './result.store.js';
import { isJobId } from './source-references.js';

export { SEARCHED_STATUSES } from './job-search.store.js';
export type { OpenJobs } from './job-reads.store.js';
export type {
  EndedJobs,
  JobCount,
  JobSearch,
  JobsOverview,
  Period,
  SearchedStatus,
} from './job-search.store.js';

/** What is known of a stored result. */
export interface ResultFacts {
  readonly sizeBytes: number;
  /** The pages that Reducto processed, where it says so. */
  readonly pages: number | undefined;
}

/** How many ended jobs the overview describes. */
const MAX_ENDED = 50_000;

/** The door of the jobs for admins, who see the jobs of all services. */
@Injectable()
export class JobsAdmin {
  constructor(
    private readonly reads: JobReads,
    private readonly searches: JobSearchStore,
    private readonly held: HeldPolls,
    private readonly results: ResultStore,
    private readonly cancels: CancelSteps,
    private readonly queue: JobQueueStore,
    private readonly tasks: TaskQueue,
    private readonly wakeups: Wakeups,
    private readonly transactions: Transactions,
  ) {}

  /** The newest first; with `ended`, the last ended first. */
  async search(search: JobSearch, limit: number): Promise<Job[]> {
    return this.held.explain(await this.searches.search(search, limit));
  }

  count(search: JobSearch): Promise<JobCount> {
    return this.searches.count(search);
  }

  services(): Promise<string[]> {
    return this.searches.services();
  }

  /** Throws `job_not_found`. */
  async get(id: string): Promise<Job> {
    const job = isJobId(id) ? await this.reads.findAny({ id }) : null;
    if (job === null) throw new GatewayError('job_not_found');
    addLogFields({ jobId: job.id });
    const [explained = job] = await this.held.explain([job]);
    return explained;
  }

  /** A part of the timeline, the oldest first. */
  events(job: Job, after: string | undefined, limit: number): Promise<JobEvent[]> {
    return this.reads.listEvents(job.id, after, limit);
  }

  /** Has a worker poll the job now, or send it if it is queued. Throws `job_already_ended`. */
  async pollNow(id: string): Promise<Job> {
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

  /** `null`: no result is stored, or none any more. */
  private findResult({ id, status }: Job): Promise<JobResult | null> {
    return status === 'completed' ? this.results.find(id) : Promise.resolve(null);
  }

  /** Throws `job_not_completed`, `job_has_no_result`, `result_expired`. */
  async result(job: Job): Promise<JobResult> {
    return (await this.findResult(job)) ?? throwNoResult(job);
  }

  resultBytes(result: JobResult): AsyncIterable<Buffer> {
    return this.results.read(result);
  }

  /** `undefined`: no result is stored, or none any more. */
  async resultFacts(job: Job): Promise<ResultFacts | undefined> {
    const stored = await this.findResult(job);
    if (stored === null) return undefined;
    const pages = await pagesOf(this.results.read(stored)).catch(() => undefined);
    return { sizeBytes: Number(stored.sizeBytes), pages };
  }

  overview(period: Required<Period>): Promise<JobsOverview> {
    return this.searches.overview(period, MAX_ENDED);
  }

  private async getOpen(id: string): Promise<Job> {
    const job = await this.get(id);
    if (isTerminal(job.status)) {
      throw new GatewayError('job_already_ended', `The job is ${job.status}.`);
    }
    return job;
  }
}
