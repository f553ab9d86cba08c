import { JsonObject } from './json.js';
import { Issue } from './faults/switches.js';

/** An error response: status, body, and headers. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: JsonObject | string,
    readonly headers: Record<string, string> = {},
  ) {
    super(`HTTP ${status}`);
  }
}

/** The shape of errors that is seen live (fact sheet 5.1). */
export function namedError(
  status: number,
  name: string,
  message: string,
  jobId?: string,
): ApiError {
  const error = { name, code: status, message, ...(jobId !== undefined && { job_id: jobId }) };
  return new ApiError(status, { error, detail: message });
}

/** The response of a path that this version does not have. */
export function noRoute(): ApiError {
  return new ApiError(404, { detail: 'Not Found' });
}

export function validationError(issues: readonly Issue[]): ApiError {
  return new ApiError(422, { detail: issues });
}

/** The edge's 429. The code names the limit that was exceeded; load shedding sends no code. */
export function tooManyRequests(code: 1000 | 2000 | undefined, retryAfterSeconds = 0): ApiError {
  const texts = {
    1000: '[CODE 1000] Rate limit exceeded for this API key.',
    2000: '[CODE 2000] Too many job status requests. Consider using webhooks.',
  };
  const message = code === undefined ? 'Too many requests, please try again.' : texts[code];
  const headers: Record<string, string> = {};
  if (retryAfterSeconds > 0) headers['retry-after'] = String(retryAfterSeconds);
  return new ApiError(429, { message }, headers);
}

export function unavailable(retryAfterSeconds: number): ApiError {
  const { status, body } = namedError(503, 'BATCH_QUEUE_FULL', 'The queue is full');
  return new ApiError(status, body, { 'retry-after': String(retryAfterSeconds) });
}

/** The HTML error page of a proxy in front of the platform, as nginx writes it. */
export function htmlError(status: number, title: string): ApiError {
  const page = `<html>\n<head><title>${status} ${title}</title></head>\n<body>\n<center><h1>${status} ${title}</h1></center>\n</body>\n</html>\n`;
  return new ApiError(status, page, { 'content-type': 'text/html' });
}

/** Object storage's XML error for a link that is not valid (shape of S3, INFERRED). */
export function storageError(status: number, code: string, message: string): ApiError {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return new ApiError(status, xml, { 'content-type': 'application/xml' });
}
