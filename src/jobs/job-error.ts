import type { UpstreamFieldError } from '../reducto/upstream-error.js';

/** Why a job did not complete. Stable; docs/job-lifecycle.md explains each. */
export const JOB_ERROR_CODES = [
  'rejected_upstream',
  'failed_upstream',
  'unknown_upstream',
  'upstream_unusable',
  'result_unavailable',
  'result_incomplete',
  'submit_outcome_unknown',
  'source_unusable',
  'cancelled',
  'max_age_exceeded',
] as const;

export type JobErrorCode = (typeof JOB_ERROR_CODES)[number];

/** Why a job did not complete, as services read it. Holds no secrets and no document content. */
export interface JobError {
  code: JobErrorCode;
  message: string;
  /** Reducto's own name for it, where it gave one. */
  upstreamName?: string;
  /** HTTP status of the error at Reducto, where it is known. */
  upstreamStatus?: number;
  /** Reducto's findings in a request that it refused as not valid. */
  upstreamFields?: readonly UpstreamFieldError[];
  /** Whether the same request may succeed if it is submitted again as a new job. */
  retryable: boolean;
}

/** PostgreSQL permanently refuses to store Reducto’s answer about the job. */
export const UPSTREAM_UNUSABLE: JobError = {
  code: 'upstream_unusable',
  message: 'Reducto’s answer about the job cannot be stored.',
  retryable: true,
};

export const UPSTREAM_JOB_TAKEN: JobError = {
  code: 'submit_outcome_unknown',
  message: 'The Reducto job that the submit created belongs to another job of this gateway.',
  retryable: true,
};

/** PostgreSQL refuses to store the state of a job that was not sent. */
export const UNSTORABLE: JobError = {
  code: 'max_age_exceeded',
  message:
    'The gateway’s database refuses to store the job’s state. The job was not sent to Reducto.',
  retryable: true,
};

/** The same for a job that may have been sent. */
export const UNSTORABLE_SUBMIT: JobError = {
  code: 'submit_outcome_unknown',
  message:
    'The gateway’s database refuses to store the job’s state. Whether Reducto created the job is unknown.',
  retryable: true,
};

/** The same for a job that Reducto has. */
export const UNSTORABLE_JOB: JobError = {
  code: 'upstream_unusable',
  message: 'The gateway’s database refuses to store the job’s state.',
  retryable: true,
};

export const CANCELLED_BEFORE_SUBMIT: JobError = {
  code: 'cancelled',
  message: 'The job was cancelled before it was sent to Reducto.',
  retryable: false,
};

export const CANCELLED: JobError = {
  code: 'cancelled',
  message: 'The job was cancelled at Reducto.',
  retryable: false,
};

/** Error of a job that exceeded the maximum age. */
export function expiredAfter(maxAgeSeconds: number): JobError {
  return {
    code: 'max_age_exceeded',
    message: `The job had not ended ${maxAgeSeconds} seconds after it was accepted.`,
    retryable: true,
  };
}
