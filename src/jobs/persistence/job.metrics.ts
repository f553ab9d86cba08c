import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from '@opentelemetry/api';
import { Metrics, SECONDS } from '../../platform/metrics/metrics.js';
import { isTerminal, JOB_STATUSES, type TerminalStatus } from '../job-status.js';
import { JOB_TYPES } from '../job-type.js';
import type { NewResult } from '../results/result-fetcher.js';
import { JobQueries, type OpenJobs } from './job-queries.store.js';
import type { TransitionedJob } from './job-transitions.store.js';

/** Scrapes within this time share one query. */
const OPEN_JOBS_FRESH_MILLISECONDS = 5000;

const OPEN_STATUSES = JOB_STATUSES.filter((status) => !isTerminal(status));

/** Initialized to 0, because alerts fire on a single one. */
const ALERTED_ENDS = JOB_TYPES.flatMap((type) =>
  ['submission', 'webhook', 'reconciler'].map((settled_by) => ({
    type,
    status: 'expired',
    settled_by,
    code: 'max_age_exceeded',
  })),
);

/** Metrics of open jobs and of jobs that ended. */
@Injectable()
export class JobMetrics {
  private readonly ends: Counter;
  private readonly ages: Histogram;
  private readonly polls: Histogram;
  private readonly callbackLag: Histogram;
  private readonly submits: Histogram;
  private readonly resultSeconds: Histogram;
  private readonly resultBytes: Counter;
  private readonly files: Counter;
  private readonly fileBytes: Counter;
  private readonly unknownLinks: Counter;
  private open: { at: number; jobs: Promise<OpenJobs[]> } | undefined;

  constructor(
    metrics: Metrics,
    private readonly queries: JobQueries,
  ) {
    const { meter } = metrics;
    this.ends = metrics.counter(
      'gateway_jobs_ended',
      'Jobs that ended, by status, by how the gateway learned of it, and by error code',
      ALERTED_ENDS,
    );
    this.submits = meter.createHistogram('gateway_submit_duration_seconds', {
      description: 'Time from the acceptance of a job to Reducto’s acceptance of the submit',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.resultSeconds = meter.createHistogram('gateway_result_fetch_duration_seconds', {
      description: 'Time to fetch and store a result, by outcome',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.resultBytes = metrics.counter(
      'gateway_result_bytes',
      'Uncompressed bytes of stored results',
    );
    this.files = metrics.counter(
      'gateway_result_files',
      'Files that results of completed jobs link to, by whether they are stored or missing',
      [{ outcome: 'stored' }, { outcome: 'missing' }],
    );
    this.fileBytes = metrics.counter(
      'gateway_result_file_bytes',
      'Bytes of stored files of results',
    );
    this.unknownLinks = metrics.counter(
      'gateway_result_unknown_links',
      'Links in stored results that may expire and that the gateway does not follow',
    );
    this.ages = meter.createHistogram('gateway_job_duration_seconds', {
      description: 'Time from the acceptance of a job to its end',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.polls = meter.createHistogram('gateway_job_polls', {
      description: 'Polls of a job that found it still open',
      advice: { explicitBucketBoundaries: [0, 1, 2, 3, 5, 8, 13, 21, 34] },
    });
    this.callbackLag = meter.createHistogram('gateway_callback_lag_seconds', {
      description: 'Time from the first callback for a job to its end',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    const count = meter.createObservableGauge('gateway_jobs_open', {
      description: 'Jobs that have not ended, by status',
    });
    const oldest = meter.createObservableGauge('gateway_job_oldest_open_age_seconds', {
      description: 'Age of the oldest job that has not ended, by status',
    });
    const overdue = meter.createObservableGauge('gateway_jobs_overdue', {
      description: 'Due jobs that no worker has leased, by status',
    });
    const overdueAge = meter.createObservableGauge('gateway_job_oldest_overdue_age_seconds', {
      description: 'For how long the longest overdue job has been due, by status',
    });
    meter.addBatchObservableCallback(
      async (result) => {
        const found = new Map((await this.openJobs()).map((jobs) => [jobs.status, jobs]));
        for (const status of OPEN_STATUSES) {
          const jobs = found.get(status);
          result.observe(count, jobs?.count ?? 0, { status });
          result.observe(oldest, jobs?.oldestSeconds ?? 0, { status });
          result.observe(overdue, jobs?.overdue ?? 0, { status });
          result.observe(overdueAge, jobs?.overdueSeconds ?? 0, { status });
        }
      },
      [count, oldest, overdue, overdueAge],
    );
  }

  /** Call after the transaction that ended the job; `undefined` if it did not. */
  recordEnded(status: TerminalStatus, job: TransitionedJob | undefined, code = ''): void {
    if (job === undefined) return;
    const { type, settledBy, polls, ageSeconds, sinceCallbackSeconds } = job;
    this.ends.add(1, { type, status, settled_by: settledBy ?? '', code });
    this.ages.record(ageSeconds, { type, status });
    this.polls.record(polls);
    if (sinceCallbackSeconds !== null) this.callbackLag.record(sinceCallbackSeconds);
  }

  /** Call after the transaction that stored the upstream id. */
  recordSubmitted(ageSeconds: number): void {
    this.submits.record(ageSeconds);
  }

  /** `bytes`: uncompressed size of a stored result. */
  recordFetched(outcome: 'stored' | 'missing', seconds: number, bytes = 0): void {
    this.resultSeconds.record(seconds, { outcome });
    this.resultBytes.add(bytes);
  }

  /** Call after the statement that completed the job. */
  recordFiles({ files, missingFiles }: NewResult): void {
    if (files.length > 0) {
      this.files.add(files.length, { outcome: 'stored' });
      this.fileBytes.add(files.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0));
    }
    if (missingFiles.length > 0) this.files.add(missingFiles.length, { outcome: 'missing' });
  }

  recordUnknownLinks(count: number): void {
    if (count > 0) this.unknownLinks.add(count);
  }

  private openJobs(): Promise<OpenJobs[]> {
    const now = performance.now();
    if (this.open === undefined || now - this.open.at > OPEN_JOBS_FRESH_MILLISECONDS) {
      this.open = { at: now, jobs: this.queries.countOpen() };
      this.open.jobs.catch(() => (this.open = undefined));
    }
    return this.open.jobs;
  }
}
