/**
 * Every error that the API answers with: its stable `code`, HTTP status and title (RFC 9457).
 * Codes are part of the contract with internal services: add, never rename.
 */
export const ERROR_CODES = {
  malformed_request: { status: 400, title: 'The request cannot be read' },
  invalid_idempotency_key: { status: 400, title: 'The header Idempotency-Key is not valid' },
  unauthenticated: { status: 401, title: 'A valid API key is needed' },
  forbidden: { status: 403, title: 'This API key may not do that' },
  link_not_valid: { status: 403, title: 'This link is not valid' },
  not_found: { status: 404, title: 'Nothing is here' },
  job_not_found: { status: 404, title: 'There is no such job' },
  file_not_found: { status: 404, title: 'The job has no such file' },
  upload_not_found: { status: 404, title: 'There is no such upload' },
  key_not_found: { status: 404, title: 'There is no such API key' },
  endpoint_not_found: { status: 404, title: 'There is no such endpoint' },
  event_not_found: { status: 404, title: 'There is no such event' },
  refusal_not_found: { status: 404, title: 'There is no such refusal' },
  method_not_allowed: { status: 405, title: 'This method is not allowed here' },
  not_acceptable: { status: 406, title: 'No acceptable form of the answer exists' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  job_not_completed: { status: 409, title: 'The job has no result yet' },
  job_has_no_result: { status: 409, title: 'The job ended without a result' },
  alert_not_found: { status: 404, title: 'No such alert' },
  job_already_ended: { status: 409, title: 'The job has already ended' },
  too_many_endpoints: { status: 409, title: 'The service has too many endpoints' },
  endpoint_disabled: { status: 409, title: 'The endpoint is disabled' },
  endpoint_in_use: { status: 409, title: 'Jobs need the endpoint for their webhooks' },
  event_not_for_endpoint: { status: 409, title: 'The event is not for this endpoint' },
  idempotency_key_in_use: {
    status: 409,
    title: 'A request with this Idempotency-Key is in progress',
  },
  job_deletion_in_progress: { status: 409, title: 'The job is being deleted' },
  job_deleted: { status: 410, title: 'The job was deleted' },
  result_expired: { status: 410, title: 'The result is no longer kept' },
  payload_too_large: { status: 413, title: 'The request is too large' },
  unsupported_media_type: { status: 415, title: 'This content type is not accepted here' },
  range_not_satisfiable: { status: 416, title: 'The range is not within the result' },
  invalid_query: { status: 422, title: 'A parameter of the URL is not valid' },
  validation_failed: { status: 422, title: 'The request is not valid' },
  idempotency_key_reused: {
    status: 422,
    title: 'This Idempotency-Key was used for another request',
  },
  endpoint_address_refused: { status: 422, title: 'Events may not be sent to this address' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  queue_full: { status: 429, title: 'The service has too many queued jobs' },
  headers_too_large: { status: 431, title: 'The headers of the request are too large' },
  internal_error: { status: 500, title: 'Something went wrong in the gateway' },
  upload_rejected: { status: 422, title: 'Reducto does not take this file' },
  upstream_rejected: { status: 502, title: 'Reducto refused the request' },
  upstream_unavailable: { status: 503, title: 'Reducto cannot be reached' },
  unavailable: { status: 503, title: 'The gateway cannot do this right now' },
  callback_refused_address: { status: 403, title: 'Callbacks from this address are refused' },
  callback_refused_secret: { status: 401, title: 'The callback is not signed by a valid secret' },
  callback_refused_job: { status: 404, title: 'The callback is for no job of this gateway' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** A problem of one field, such as `input` or `split_description.0.name`. */
export interface FieldError {
  path: string;
  message: string;
}

/** An error for the caller. `detail` says what happened and what to do, without secrets. */
export class GatewayError extends Error {
  constructor(
    readonly code: ErrorCode,
    readonly detail?: string,
    readonly options: {
      errors?: readonly FieldError[];
      retryAfterSeconds?: number;
      cause?: unknown;
    } = {},
  ) {
    super(detail ?? ERROR_CODES[code].title, { cause: options.cause });
    this.name = 'GatewayError';
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}
