import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from '@opentelemetry/api';
import { Metrics, SECONDS } from '../platform/metrics/metrics.js';
import type { TerminalStatus } from './job-status.js';
import { JobReads, type OpenJobs } from './job-reads.store.js';
import type { MovedJob } from './job.store.js';

/** Scrapes within this time share one query. */
const OPEN_JOBS_FRESH_MILLISECONDS = 5000;

/** How jobs end and what waits, as figures. */
@Injectable()
export class JobFigures {
  private readonly ends: Counter;
  private readonly ages: Histogram;
  private readonly looks: Histogram;
  private readonly callbackLag: Histogram;
  private open: { at: number; jobs: Promise<OpenJobs[]> } | undefined;

  constructor(
    { meter }: Metrics,
    private readonly reads: JobReads,
  ) {
    this.ends = meter.createCounter('gateway_jobs_ended', {
      description: 'Jobs that ended, by status, by what brought the end to light, and by reason',
    });
    this.ages = meter.createHistogram('gateway_job_seconds', {
      description: 'From the acceptance of a job to its end',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.looks = meter.createHistogram('gateway_job_looks', {
      description: 'Looks at a job that found it still open, until it ended',
      advice: { explicitBucketBoundaries: [0, 1, 2, 3, 5, 8, 13, 21, 34] },
    });
    this.callbackLag = meter.createHistogram('gateway_callback_lag_seconds', {
      description: 'From the arrival of the first callback for a job to the end of the job',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    const count = meter.createObservableGauge('gateway_jobs_open', {
      description: 'Jobs that have not ended, by status',
    });
    const oldest = meter.createObservableGauge('gateway_oldest_open_job_seconds', {
      description: 'Age of the oldest job that has not ended, by status',
    });
    const overdue = meter.createObservableGauge('gateway_jobs_overdue', {
      description: 'Jobs that are due and that nobody has taken up yet, by status',
    });
    meter.addBatchObservableCallback(
      async (result) => {
        for (const { status, ...jobs } of await this.openJobs()) {
          result.observe(count, jobs.count, { status });
          result.observe(oldest, jobs.oldestSeconds, { status });
          result.observe(overdue, jobs.overdue, { status });
        }
      },
      [count, oldest, overdue],
    );
  }

  /** Call after the transaction that ended the job; `undefined` where it did not. */
  ended(status: TerminalStatus, job: MovedJob | undefined, code = ''): void {
    if (job === undefined) return;
    const { type, settledBy, looks, ageSeconds, sinceCallbackSeconds } = job;
    this.ends.add(1, { type, status, settled_by: settledBy ?? '', code });
    this.ages.record(ageSeconds, { type, status });
    this.looks.record(looks);
    if (sinceCallbackSeconds !== null) this.callbackLag.record(sinceCallbackSeconds);
  }

  private openJobs(): Promise<OpenJobs[]> {
    const now = performance.now();
    if (this.open === undefined || now - this.open.at > OPEN_JOBS_FRESH_MILLISECONDS) {
      this.open = { at: now, jobs: this.reads.countOpen() };
    }
    return this.open.jobs;
  }
}
