import type { ErrorCode, FieldError, GatewayError } from '../platform/errors/error-codes.js';
import type { FormattedError } from '../platform/errors/send-problem.js';

/** An error as Reducto names it. */
export interface SdkErrorName {
  readonly status: number;
  readonly name: string;
}

/** Errors whose status or name does not follow from the status of the code. */
const ERRORS: Partial<Record<ErrorCode, SdkErrorName>> = {
  // SDKs take a 409 for final or retry it at once.
  idempotency_key_in_use: { status: 503, name: 'SERVICE_UNAVAILABLE' },
  queue_full: { status: 429, name: 'QUEUE_FULL' },
  job_not_completed: { status: 409, name: 'JOB_NOT_COMPLETE' },
  job_deletion_in_progress: { status: 409, name: 'JOB_DELETION_IN_PROGRESS' },
  job_deleted: { status: 410, name: 'JOB_DELETED' },
  result_expired: { status: 410, name: 'JOB_DELETED' },
  payload_too_large: { status: 413, name: 'DOCUMENT_TOO_LARGE' },
};

const NAMES: Readonly<Record<number, string>> = {
  401: 'AUTH_ERROR',
  403: 'AUTH_ERROR',
  404: 'NOT_FOUND',
  408: 'TIMEOUT',
  429: 'RATE_LIMIT',
  500: 'INTERNAL_ERROR',
  502: 'SERVICE_UNAVAILABLE',
  503: 'SERVICE_UNAVAILABLE',
};

/** The same request may succeed soon. SDKs repeat these, and no others. */
const RETRYABLE = new Set([408, 503]);

/** SDKs ignore a longer `Retry-After`, and then repeat at once. */
const MAX_RETRY_AFTER_SECONDS = 60;

/** Answers an error in the shapes that Reducto’s SDKs parse. */
export function sdkError(error: GatewayError): FormattedError {
  const { code, options } = error;
  const { status, name } = ERRORS[code] ?? {
    status: error.status,
    name: NAMES[error.status] ?? 'INVALID_CONFIG',
  };
  const { retryAfterSeconds: seconds } = options;
  const isRetryable = RETRYABLE.has(status) || code === 'queue_full';
  return {
    status,
    headers: {
      'x-should-retry': String(isRetryable),
      ...(isRetryable && seconds !== undefined
        ? { 'retry-after': String(Math.ceil(Math.min(seconds, MAX_RETRY_AFTER_SECONDS))) }
        : {}),
    },
    text:
      status === 422
        ? validationText(code, options.errors, error.message)
        : errorText({ status, name }, error.message),
  };
}

/** The JSON of an error that is not about fields. */
export function errorText({ status, name }: SdkErrorName, message: string, jobId?: string): string {
  const job = jobId === undefined ? {} : { job_id: jobId };
  return JSON.stringify({ error: { code: status, name, message, ...job }, detail: message });
}

/** The JSON of FastAPI’s `HTTPValidationError`. */
function validationText(
  code: ErrorCode,
  errors: readonly FieldError[] = [],
  message: string,
): string {
  const place = code === 'invalid_query' ? 'query' : 'body';
  const items = errors.length === 0 ? [{ path: '', message }] : errors;
  const detail = items.map(({ path, message: msg }) => ({
    loc: [
      place,
      ...path
        .split('.')
        .filter((part) => part !== '')
        .map(asIndex),
    ],
    msg,
    type: 'value_error',
  }));
  return JSON.stringify({ detail });
}

function asIndex(part: string): string | number {
  return /^\d{1,9}$/.test(part) ? Number(part) : part;
}
