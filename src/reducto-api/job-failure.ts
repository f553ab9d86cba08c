import type { Job } from '../jobs/job.entity.js';
import type { JobErrorCode } from '../jobs/job-error.js';
import type { SdkErrorName } from './sdk-error.js';

/** `ErrorDetail` of Reducto’s API. */
export interface JobFailure extends SdkErrorName {
  readonly message: string;
}

/** Failures that Reducto has not named. */
const FAILURES: Readonly<Record<JobErrorCode, SdkErrorName>> = {
  rejected_upstream: { status: 400, name: 'INVALID_CONFIG' },
  failed_upstream: { status: 500, name: 'PROCESSING_FAILED' },
  unknown_upstream: { status: 500, name: 'INTERNAL_ERROR' },
  upstream_unusable: { status: 502, name: 'INTERNAL_ERROR' },
  result_unavailable: { status: 502, name: 'INTERNAL_ERROR' },
  result_incomplete: { status: 502, name: 'INTERNAL_ERROR' },
  submit_outcome_unknown: { status: 503, name: 'SERVICE_UNAVAILABLE' },
  source_unusable: { status: 400, name: 'JOB_NOT_COMPLETE' },
  cancelled: { status: 409, name: 'JOB_CANCELLED' },
  max_age_exceeded: { status: 504, name: 'TIMEOUT' },
};

/** HTTP statuses of Reducto’s names, where Reducto gave none; those of others are 500. Reducto does not publish them. */
const STATUSES = new Map(
  Object.entries({
    400: 'INVALID_CONFIG INVALID_SCHEMA NOT_APPLICABLE URL_NOT_ALLOWED REGION_UNAVAILABLE JOB_NOT_COMPLETE',
    401: 'AUTH_ERROR',
    404: 'NOT_FOUND',
    409: 'JOB_CANCELLED JOB_DELETION_IN_PROGRESS',
    410: 'JOB_DELETED',
    415: 'DOCUMENT_UNSUPPORTED',
    422: 'DOCUMENT_CORRUPT DOCUMENT_EMPTY DOCUMENT_TOO_LARGE OFFICE_CONVERSION_TOO_LARGE IMAGE_TOO_LARGE IMAGE_TOO_SMALL IMAGE_INVALID_ASPECT_RATIO CELL_COUNT_EXCEEDED',
    429: 'RATE_LIMIT QUEUE_FULL',
    442: 'DOCUMENT_PASSWORD_PROTECTED',
    502: 'LLM_PROVIDER_ERROR',
    503: 'CAPACITY_TIMEOUT SERVICE_UNAVAILABLE GPU_ALLOCATION_ERROR GPU_POOL_SATURATED GPU_UNAVAILABLE BATCH_QUEUE_FULL',
    504: 'TIMEOUT CUSTOMER_TIMEOUT',
  }).flatMap(([status, names]) => names.split(' ').map((name) => [name, Number(status)] as const)),
);

/** Why a job that ended has no result. */
export function failureOf({ error }: Pick<Job, 'error'>): JobFailure {
  if (error === null) return { ...FAILURES.failed_upstream, message: 'The job failed.' };
  const { code, message, upstreamName, upstreamStatus } = error;
  const known = FAILURES[code];
  // Reducto refused the key of the gateway, not that of the client.
  if (upstreamStatus === 401 || upstreamStatus === 403) {
    return { status: 502, name: 'SERVICE_UNAVAILABLE', message };
  }
  const byName = upstreamName === undefined ? undefined : STATUSES.get(upstreamName);
  return {
    status: upstreamStatus ?? byName ?? known.status,
    name: upstreamName ?? known.name,
    message,
  };
}
