/** What Reducto’s name for an error means for the caller. */
export interface UpstreamErrorName {
  /** Whether the same request may succeed as a new job. */
  readonly retryable: boolean;
  /** What to do, for the documentation. */
  readonly advice: string;
}

const later = { retryable: true, advice: 'submit the job again later, a limited number of times' };
const document = { retryable: false, advice: 'change the document; it fails again as it is' };
const request = (advice: string): UpstreamErrorName => ({ retryable: false, advice });
const once = request('try once more, or change the options');

/**
 * The names of Reducto’s API 1.12. Reducto publishes the names only, so what each implies is a conclusion. Other names
 * pass to services as they are.
 */
export const UPSTREAM_ERROR_NAMES: ReadonlyMap<string, UpstreamErrorName> = new Map(
  Object.entries({
    TIMEOUT: later,
    CAPACITY_TIMEOUT: later,
    INTERNAL_ERROR: later,
    SERVICE_UNAVAILABLE: later,
    GPU_ALLOCATION_ERROR: later,
    GPU_POOL_SATURATED: later,
    GPU_UNAVAILABLE: later,
    BATCH_QUEUE_FULL: { retryable: true, advice: 'submit the job again after 5 minutes' },
    QUEUE_FULL: later,
    BATCH_ORPHANED: later,
    SUBPROCESS_CRASHED: later,
    LLM_PROVIDER_ERROR: later,
    RATE_LIMIT: later,
    JOB_STATE_ERROR: later,
    JOB_NOT_COMPLETE: { retryable: true, advice: 'submit the job again when its input has ended' },
    DOCUMENT_CORRUPT: document,
    DOCUMENT_EMPTY: document,
    DOCUMENT_UNSUPPORTED: document,
    DOCUMENT_TOO_LARGE: document,
    DOCUMENT_PASSWORD_PROTECTED: request('give `settings.document_password`'),
    OFFICE_CONVERSION_TOO_LARGE: document,
    IMAGE_TOO_LARGE: document,
    IMAGE_TOO_SMALL: document,
    IMAGE_INVALID_ASPECT_RATIO: document,
    CELL_COUNT_EXCEEDED: request('raise `spreadsheet.max_cell_count`, or change the document'),
    CUSTOMER_TIMEOUT: request('raise `settings.timeout`'),
    FORM_FILL_FAILED: once,
    CONTEXT_WINDOW_EXCEEDED: request('select fewer pages, or shorten the instructions'),
    OUTPUT_LIMIT_EXCEEDED: request('narrow the schema, or select fewer pages'),
    OVERSIZED_RESULT: request('set `settings.force_url_result`'),
    PROCESSING_FAILED: once,
    LLM_OUTPUT_PARSE_FAILED: once,
    INFERENCE_METHOD_UNSUPPORTED: request('change the options'),
    INTERNAL_INVARIANT_VIOLATION: once,
    INVALID_CONFIG: request('correct the request; the document may be missing'),
    INVALID_SCHEMA: request('correct the schema'),
    AUTH_ERROR: request('an operator must check `REDUCTO_API_KEY`'),
    NOT_APPLICABLE: request('correct the request'),
    REGION_UNAVAILABLE: request('use a region of the account'),
    URL_NOT_ALLOWED: request('use a URL that Reducto may read, or upload the document'),
    NOT_FOUND: request('correct the document, or upload it again'),
    JOB_DELETION_IN_PROGRESS: request('do not use a job that is being deleted'),
    JOB_DELETED: request('do not use a deleted job'),
    JOB_CANCELLED: request('none: the job was cancelled'),
  }),
);
