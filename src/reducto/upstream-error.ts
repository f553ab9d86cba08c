import { isRecord } from '../platform/json/is-record.js';
import { UPSTREAM_ERROR_NAMES } from './errors/upstream-error-names.js';
import { upstreamText } from './upstream-text.js';

/** An item of the `detail` of a 422, without the echoed `input`. */
export interface UpstreamFieldError {
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly type: string;
}

/** An error of Reducto, short and without secrets. */
export interface UpstreamError {
  /** HTTP status; absent without an answer. */
  readonly status?: number;
  /** `error.code` of a failed job: the HTTP status that the error has in a synchronous call. */
  readonly code?: number;
  /** `error.name` or `error.type`, if any. */
  readonly name?: string;
  readonly message: string;
  /** Of a request that Reducto finds not valid. */
  readonly fields?: readonly UpstreamFieldError[];
  /** Reducto refuses the API key or the account: the error is about no request of its own. */
  readonly refusesKey?: true;
}

const MAX_MESSAGE = 1000;
const MAX_NAME = 100;
const MAX_FIELDS = 50;
/** The message of a failure that Reducto does not explain. */
const NO_REASON = 'Reducto gave no reason';

/** No answer, an invalid answer, a rejected key, 429, and 5xx concern all jobs; a 409 concerns one. */
export function concernsAll({ status = 500 }: UpstreamError): boolean {
  return status >= 500 || status < 400 || [401, 402, 403, 407, 408, 429].includes(status);
}

/** Whether a failed job has neither a reason nor an error. */
export function isUnexplained({ message, name, code }: UpstreamError): boolean {
  return message === NO_REASON && name === undefined && code === undefined;
}

/** Whether the same request may succeed as a new job. Without a known name it probably does not. */
export function mayHelpToRetry({ name }: UpstreamError): boolean {
  return name !== undefined && UPSTREAM_ERROR_NAMES.get(name)?.retryable === true;
}

/**
 * Reads an error body in any known shape: `detail` as a list or text, `error` as an object, `message`, HTML, or plain
 * text. Leaves out the echoed `input`, which may contain the callback token.
 */
export function readUpstreamError(status: number | undefined, body: unknown): UpstreamError {
  const found = readBody(body);
  return {
    ...(status === undefined ? {} : { status }),
    ...(found.name === undefined ? {} : { name: upstreamText(found.name, MAX_NAME) }),
    message: upstreamText(found.message ?? `Reducto answered ${status ?? 'nothing'}`, MAX_MESSAGE),
    ...(status === 422 ? fieldsOf(body) : {}),
  };
}

/** The `reason` and `error` of a failed job. */
export function readJobFailure(reason: unknown, error: unknown): UpstreamError {
  const found = readBody({ error });
  const message = textOf(reason) ?? found.message ?? NO_REASON;
  return {
    ...codeOf(error),
    ...(found.name === undefined ? {} : { name: upstreamText(found.name, MAX_NAME) }),
    message: upstreamText(message, MAX_MESSAGE),
  };
}

function codeOf(error: unknown): { code?: number } {
  const code = isRecord(error) ? error['code'] : undefined;
  return typeof code === 'number' && Number.isInteger(code) && code >= 400 && code < 600
    ? { code }
    : {};
}

/** The error without Reducto’s message, which may quote the request. */
export function summaryOf(error: UpstreamError | undefined): string {
  if (error?.refusesKey === true)
    return `Reducto refuses the API key of the gateway (${error.status}), which an operator has to correct`;
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

/** Nothing if an item is not in the shape of a field’s error. */
function fieldsOf(body: unknown): Pick<UpstreamError, 'fields'> {
  const detail: unknown[] =
    isRecord(body) && Array.isArray(body['detail']) ? body['detail'].slice(0, MAX_FIELDS) : [];
  const fields = detail.flatMap((item) => {
    if (!isRecord(item) || !Array.isArray(item['loc'])) return [];
    const loc: unknown[] = item['loc'];
    const type = textOf(item['type']) ?? 'value_error';
    return [
      {
        loc: loc
          .filter(isLocation)
          .map((part) => (typeof part === 'number' ? part : upstreamText(part, MAX_NAME))),
        msg: upstreamText(textOf(item['msg']) ?? 'not valid', MAX_MESSAGE),
        type: upstreamText(type, MAX_NAME),
      },
    ];
  });
  return fields.length > 0 && fields.length === detail.length ? { fields } : {};
}

function isLocation(part: unknown): part is string | number {
  return typeof part === 'string' || typeof part === 'number';
}

function validationMessage(item: unknown): string {
  if (!isRecord(item)) return 'not valid';
  const location: unknown[] = Array.isArray(item['loc']) ? item['loc'].slice(1) : [];
  const path = location.filter(isLocation).join('.');
  return `${path === '' ? '' : `${path}: `}${textOf(item['msg']) ?? 'not valid'}`;
}

function textOfPage(page: string): string {
  const title = /<title>([^<]{1,200})<\/title>/i.exec(page)?.[1];
  return page.trimStart().startsWith('<') ? (title ?? 'an HTML page instead of an answer') : page;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}
