import { isRecord } from '../platform/json/is-record.js';
import { upstreamText } from './upstream-text.js';

/** What Reducto said went wrong, in the one form that the gateway keeps: short and without secrets. */
export interface UpstreamError {
  /** HTTP status; absent where no answer came. */
  readonly status?: number;
  /** `error.name` or `error.type`, where Reducto gave one. */
  readonly name?: string;
  readonly message: string;
}

const MAX_MESSAGE = 1000;
const MAX_NAME = 100;

/**
 * Names after which the same request may succeed as a new job: faults of Reducto, not of the
 * document or the request. (The grouping is ours; the SDK lists the names without it.)
 */
const RETRYABLE_NAMES = new Set([
  'TIMEOUT',
  'CAPACITY_TIMEOUT',
  'INTERNAL_ERROR',
  'SERVICE_UNAVAILABLE',
  'GPU_ALLOCATION_ERROR',
  'GPU_POOL_SATURATED',
  'GPU_UNAVAILABLE',
  'BATCH_QUEUE_FULL',
  'BATCH_ORPHANED',
  'SUBPROCESS_CRASHED',
  'LLM_PROVIDER_ERROR',
  'RATE_LIMIT',
  'JOB_STATE_ERROR',
]);

export function mayHelpToRetry(error: UpstreamError): boolean {
  return error.name !== undefined && RETRYABLE_NAMES.has(error.name);
}

/**
 * Reads an error body in any of the shapes that Reducto, its edge and the proxies before it are
 * known to use: `detail` as a list or a text, `error` as an object, `message`, HTML, plain text.
 * The `input` that a validation error echoes is left out, since it may hold the callback token.
 */
export function readUpstreamError(status: number | undefined, body: unknown): UpstreamError {
  const found = readBody(body);
  return {
    ...(status === undefined ? {} : { status }),
    ...(found.name === undefined ? {} : { name: upstreamText(found.name, MAX_NAME) }),
    message: upstreamText(found.message ?? `Reducto answered ${status ?? 'nothing'}`, MAX_MESSAGE),
  };
}

/** The `reason` and `error` of a failed job. */
export function readJobFailure(reason: unknown, error: unknown): UpstreamError {
  const found = readBody({ error });
  const message = textOf(reason) ?? found.message ?? 'Reducto gave no reason';
  return {
    ...(found.name === undefined ? {} : { name: upstreamText(found.name, MAX_NAME) }),
    message: upstreamText(message, MAX_MESSAGE),
  };
}

/** What went wrong without Reducto's own words, which may quote the request. */
export function summaryOf(error: UpstreamError | undefined): string {
  if (error?.status !== undefined) return `Reducto answered ${error.status}`;
  return error?.message.replace(/\.$/, '') ?? 'Reducto gave no answer';
}

function readBody(body: unknown): { name?: string | undefined; message?: string | undefined } {
  if (typeof body === 'string') return { message: textOf(textOfPage(body)) };
  if (!isRecord(body)) return {};
  const { error, detail, message } = body;
  if (isRecord(error)) {
    return {
      name: textOf(error['name']) ?? textOf(error['type']),
      message: textOf(error['message']),
    };
  }
  if (Array.isArray(detail))
    return { message: detail.map(validationMessage).join('; ') || undefined };
  return { message: textOf(detail) ?? textOf(message) ?? textOf(error) };
}

function validationMessage(item: unknown): string {
  if (!isRecord(item)) return 'not valid';
  const location: unknown[] = Array.isArray(item['loc']) ? item['loc'].slice(1) : [];
  const path = location
    .filter((part) => typeof part === 'string' || typeof part === 'number')
    .join('.');
  return `${path === '' ? '' : `${path}: `}${textOf(item['msg']) ?? 'not valid'}`;
}

function textOfPage(page: string): string {
  const title = /<title>([^<]{1,200})<\/title>/i.exec(page)?.[1];
  return page.trimStart().startsWith('<') ? (title ?? 'an HTML page instead of an answer') : page;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}
