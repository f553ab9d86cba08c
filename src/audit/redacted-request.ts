import { createHash } from 'node:crypto';
import { isRecord } from '../platform/json.js';
import { redact } from '../platform/logging/redaction.js';
import { truncate } from '../platform/text.js';
import type { OriginalCallback } from './originals.js';

/** A request as it may be shown: without secrets and document content, and never long. */
export interface ShownRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly bodySha256: string;
  readonly bodySample: string;
}

const BLANK = '[redacted]';
const MAX_SAMPLE = 1500;
const MAX_HEADERS = 40;
const MAX_HEADER = 300;
const MAX_DEPTH = 6;

/** Headers and fields whose value is a secret whatever it looks like, and those that may hold documents. */
const SECRET_NAME =
  /auth|cookie|token|secret|passw|credential|signature|api[-_]?key|^key$|session|private/i;
const CONTENT_NAME = /^(result|results|chunks|content|text|document|blocks|raw_config)$/i;

export function shownRequest(
  { method, headers, body }: Pick<OriginalCallback, 'method' | 'headers' | 'body'>,
  path: string,
): ShownRequest {
  return {
    method: printable(method, 20),
    path: printable(path, 300),
    headers: shownHeaders(headers),
    bodyBytes: body.length,
    bodySha256: createHash('sha256').update(body).digest('hex'),
    bodySample: sampleOf(body),
  };
}

/** Foreign text on one line: control characters as `\u…`, nothing that PostgreSQL or a terminal chokes on. */
export function printable(text: string, limit: number): string {
  const safe = redact(text)
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex -- these are what must not get through
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escaped);
  return safe.length > limit ? `${truncate(safe, limit)}…` : safe;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function shownHeaders(headers: OriginalCallback['headers']): Record<string, string> {
  const shown = Object.entries(headers)
    .slice(0, MAX_HEADERS)
    .map(([name, value]) => [
      printable(name, 100),
      SECRET_NAME.test(name) ? BLANK : printable(String(value), MAX_HEADER),
    ]);
  return Object.fromEntries(shown);
}

/** The beginning of a body. JSON is blanked field by field; anything else by what looks like a secret. */
function sampleOf(body: Buffer): string {
  if (body.length === 0) return '';
  const text = body.subarray(0, 65_536).toString();
  const parsed = parse(text);
  const whole = parsed === undefined ? withoutFields(text) : JSON.stringify(blanked(parsed, 0));
  return printable(whole, MAX_SAMPLE);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function blanked(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) return '…';
  if (Array.isArray(value)) return value.slice(0, 20).map((item) => blanked(item, depth + 1));
  if (typeof value === 'string') return truncate(value, MAX_SAMPLE);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, 50)
      .map(([name, item]) => [
        name,
        SECRET_NAME.test(name) || CONTENT_NAME.test(name) ? BLANK : blanked(item, depth + 1),
      ]),
  );
}

/** Text that is no JSON may still hold `"token": "…"` or `token=…`. */
function withoutFields(text: string): string {
  const field = /\b([\w-]{1,40})(["']?\s{0,4}[:=]\s{0,4}["']?)[^\s"',&}]{1,2000}/g;
  return text.replace(field, (whole, name: string, separator: string) =>
    SECRET_NAME.test(name) ? `${name}${separator}${BLANK}` : whole,
  );
}
