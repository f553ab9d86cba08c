import type { Job } from '../jobs/job.entity.js';
import type { JobStatus } from '../jobs/job-status.js';
import type { JobType } from '../jobs/job-type.js';
import { failureOf } from './job-failure.js';

const TYPE_NAMES: Readonly<Record<JobType, string>> = {
  parse: 'Parse',
  extract: 'Extract',
  split: 'Split',
  edit: 'Edit',
  classify: 'Classify',
  pipeline: 'Pipeline',
};

/** Loops of clients end on `Completed` and `Failed` only. */
const STATUSES: Readonly<Record<JobStatus, string>> = {
  queued: 'Pending',
  uncertain: 'Pending',
  submitted: 'Pending',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Failed',
  expired: 'Failed',
};

/** The JSON of `EnhancedAsyncJobResponse` around its `result`, which is last but for the end. */
export function jobText(job: Job): readonly [before: string, after: string] {
  const failure = job.status === 'completed' || job.endedAt === null ? null : failureOf(job);
  const error =
    failure === null
      ? null
      : { code: failure.status, name: failure.name, message: failure.message, job_id: job.id };
  const fields = JSON.stringify({
    status: STATUSES[job.status],
    progress: job.status === 'completed' ? 1 : shownProgress(job),
    reason: failure?.message ?? null,
    error,
    ...commonFields(job),
    // The gateway deletes the request when the job ends.
    raw_config: null,
  });
  return [`${fields.slice(0, -1)},"result":`, '}'];
}

/** `SingleJob`, an item of the list. */
export function listedJob(job: Job, withConfig: boolean): Record<string, unknown> {
  return {
    job_id: job.id,
    status: job.status === 'cancelled' ? 'Cancelled' : STATUSES[job.status],
    ...commonFields(job),
    ...(withConfig ? { raw_config: '{}' } : {}),
  };
}

function commonFields(job: Job): Record<string, unknown> {
  return {
    type: TYPE_NAMES[job.type],
    num_pages: null,
    total_pages: null,
    source: null,
    bucket: null,
    duration:
      job.endedAt === null ? null : (+job.endedAt - +(job.submittedAt ?? job.createdAt)) / 1000,
    created_at: timestamp(job.createdAt),
  };
}

/** SDKs expect a number from 0 to 1. */
function shownProgress({ progress }: Job): number | null {
  return progress !== null && progress >= 0 && progress <= 1 ? progress : null;
}

/** UTC in microseconds without a zone, as Reducto writes it. */
function timestamp(at: Date): string {
  return at.toISOString().replace('Z', '000');
}
