import { Injectable } from '@nestjs/common';
import { Transactions } from '../platform/database/transactions.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import type { ByteRange } from '../platform/http/byte-range.js';
import { addLogFields } from '../platform/logging/log-context.js';
import { Notifications } from '../platform/work/notifications.js';
import { JobCancellation } from './cancellation/job-cancellation.js';
import { CoolDownReasons } from './leases/cool-down-reasons.js';
import { JobQueries } from './persistence/job-queries.store.js';
import {
  JobSearchStore,
  type JobCount,
  type JobsOverview,
} from './persistence/job-search.store.js';
import type { JobSearch, Period } from './persistence/search-conditions.js';
import { SubmissionQueueStore } from './submission/submission-queue.store.js';
import type { JobFile } from './files/job-file.entity.js';
import { FileLinks } from './files/file-links.js';
import { JobFiles } from './files/job-files.js';
import { isTerminal } from './job-status.js';
import { isJobId, type Job } from './job.entity.js';
import {
  JOBS_QUEUED,
  JobTransitionsStore,
  POLLS_DUE,
  UNCERTAIN_DUE,
} from './persistence/job-transitions.store.js';
import type { ServedResult } from './result-response.js';
import type { JobResult } from './results/job-result.entity.js';
import { throwNoResult } from './results/no-result.js';
import { pagesOf } from './results/result-usage.js';
import { ResultStore } from './results/result.store.js';
import type { TimelineEntry } from './timeline/timeline.js';

export { sendFile } from './files/file-response.js';
export { JobFileListDto, toJobFileListDto } from './files/file.dto.js';
export type { JobFile } from './files/job-file.entity.js';
export { SEARCHED_STATUSES } from './persistence/search-conditions.js';
export type { EndedJobs } from './persistence/ended-jobs.js';
export type { OpenJobs } from './persistence/job-queries.store.js';
export type { JobCount, JobsOverview } from './persistence/job-search.store.js';
export type { JobSearch, Period, SearchedStatus } from './persistence/search-conditions.js';

export type { JobEventType } from './timeline/job-event.entity.js';
export type { TimelineEntry } from './timeline/timeline.js';

/** Size and page count of a stored result. */
export interface ResultFacts {
  readonly sizeBytes: number;
  /** Pages that Reducto processed, if it reports them. */
  readonly pages: number | undefined;
}

/** Maximum number of ended jobs in the overview. */
const MAX_ENDED = 50_000;

/** Jobs of all services, for admins. */
@Injectable()
export class JobsAdminService {
  constructor(
    private readonly queries: JobQueries,
    private readonly searches: JobSearchStore,
    private readonly coolDowns: CoolDownReasons,
    private readonly results: ResultStore,
    private readonly cancellation: JobCancellation,
    private readonly queue: SubmissionQueueStore,
    private readonly transitions: JobTransitionsStore,
    private readonly notifications: Notifications,
    private readonly transactions: Transactions,
    private readonly jobFiles: JobFiles,
    private readonly fileLinks: FileLinks,
  ) {}

  /** The newest first; with `ended`, the last ended first. */
  async search(search: JobSearch, limit: number): Promise<Job[]> {
    return this.coolDowns.explain(await this.searches.searchJobs(search, limit));
  }

  count(search: JobSearch): Promise<JobCount> {
    return this.searches.countJobs(search);
  }

  services(): Promise<string[]> {
    return this.searches.listServices();
  }

  /** Throws `job_not_found`. */
  async get(id: string): Promise<Job> {
    const job = isJobId(id) ? await this.queries.findAny({ id }) : null;
    if (job === null) throw new GatewayError('job_not_found');
    addLogFields({ jobId: job.id });
    const [explained = job] = await this.coolDowns.explain([job]);
    return explained;
  }

  /** A page of the timeline, oldest first. */
  events(job: Job, after: string | undefined, limit: number): Promise<TimelineEntry[]> {
    return this.queries.listTimeline(job, after, limit);
  }

  /** Has a worker poll the job now, or send it if it is queued. Throws `job_already_ended`. */
  async pollNow(id: string): Promise<Job> {
    const job = await this.getOpen(id);
    if (job.status === 'queued') {
      await this.queue.expediteJobs([job.id]);
      this.notifications.send(JOBS_QUEUED);
    } else {
      await this.transactions.run((manager) => this.transitions.requestPoll(manager, job.id));
      this.notifications.send(job.status === 'uncertain' ? UNCERTAIN_DUE : POLLS_DUE);
    }
    return job;
  }

  /** Throws `job_already_ended`. */
  async cancel(id: string): Promise<Job> {
    const job = await this.getOpen(id);
    await this.cancellation.requestCancel(job);
    return job;
  }

  /** `null` without a stored result. */
  private findResult({ id, status }: Job): Promise<JobResult | null> {
    return status === 'completed' ? this.results.findContent(id) : Promise.resolve(null);
  }

  /** Throws `job_not_completed`, `job_has_no_result`, `result_expired`. */
  async result(job: Job): Promise<JobResult> {
    return (await this.findResult(job)) ?? throwNoResult(job);
  }

  /** For `sendResult`. */
  serve(result: JobResult): ServedResult {
    const bytes = (): AsyncIterable<Buffer> => this.results.readContent(result);
    return { result, bytes, links: this.fileLinks.newLinks(result) };
  }

  /** Throws `job_not_completed`, `job_has_no_result`, `result_expired`. */
  files(job: Job): Promise<JobFile[]> {
    return this.jobFiles.list(job);
  }

  /** Empty without a stored result. */
  filesIfAny(job: Job): Promise<JobFile[]> {
    return this.jobFiles.listIfAny(job);
  }

  /** Throws as `files`, or `file_not_found`. */
  file(job: Job, name: string): Promise<JobFile> {
    return this.jobFiles.find(job, name);
  }

  fileBytes(file: JobFile, range: ByteRange): AsyncIterable<Buffer> {
    return this.jobFiles.readBytes(file, range);
  }

  /** `undefined` without a stored result. */
  async resultFacts(job: Job): Promise<ResultFacts | undefined> {
    const stored = await this.findResult(job);
    if (stored === null) return undefined;
    const pages = await pagesOf(this.results.readContent(stored)).catch(() => undefined);
    return { sizeBytes: Number(stored.sizeBytes), pages };
  }

  overview(period: Required<Period>): Promise<JobsOverview> {
    return this.searches.readOverview(period, MAX_ENDED);
  }

  private async getOpen(id: string): Promise<Job> {
    const job = await this.get(id);
    if (isTerminal(job.status)) {
      throw new GatewayError('job_already_ended', `The job is ${job.status}.`);
    }
    return job;
  }
}
