import { createHash } from 'node:crypto';
import { isRecord } from '../platform/json/is-record.js';
import { isCut, redact, redactStart } from '../platform/logging/redaction.js';
import { truncate } from '../platform/text.js';
import type { RawRequest } from './raw-request.js';

/** A request to show: redacted, without document content, and bounded. */
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
/** A longer text may be the content of a document. */
const MAX_TEXT = 300;
const MAX_HEADERS = 40;
const MAX_HEADER = 300;
const MAX_DEPTH = 6;
const MAX_ITEMS = 20;
const MAX_MEMBERS = 50;
const MAX_VALUES = 100;
const MAX_NAME = 200;

/** Names of headers and fields whose values are always secret. */
const SECRET_NAME =
  /pass|pwd|secret|token|jwt|auth|cred|sess|cookie|signature|key|private|bearer|hmac|otp|pin(?:code)?$|sig$/i;
/** Names that many other names contain: secret only as a whole word of the name. */
const SECRET_WORD = /^(pins?|pw|psk|sid|sig|sas|jws|jwe|csrf|xsrf|cvv|cvc)$/i;
/** Names of fields that hold the name of the value beside them. */
const NAMING_FIELDS = 'name,key,field,header,label,parameter,param,property,id'.split(',');
/** Names of fields that may hold documents. */
const CONTENT_NAME = /^(result|results|chunks|content|text|document|blocks|raw_config)$/i;

export function shownRequest(
  { method, headers, body }: Pick<RawRequest, 'method' | 'headers' | 'body'>,
  path: string,
): ShownRequest {
  return {
    method: printable(method, 20),
    path: printable(path.replace(/([?#;]).+$/s, `$1${BLANK}`), 300),
    headers: shownHeaders(headers),
    bodyBytes: body.length,
    bodySha256: createHash('sha256').update(body).digest('hex'),
    bodySample: sampleOf(body),
  };
}

/** Untrusted text on one line: control characters as `\u…`, nothing that PostgreSQL or a terminal cannot handle. */
export function printable(text: string, limit: number): string {
  return oneLine(redactStart(text, limit), limit, isCut(text, limit));
}

/** The same without the values of fields that look like secrets: for text that may hold a form, JSON, or a header. */
export function printableFields(text: string, limit: number): string {
  return oneLine(redactFields(redactStart(text, limit)), limit, isCut(text, limit));
}

function oneLine(redacted: string, limit: number, hasMore: boolean): string {
  const safe = redacted
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex -- these characters must be escaped
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escaped);
  return hasMore || safe.length > limit ? `${truncate(safe, limit)}…` : safe;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Headers without the values of secret ones, bounded. */
export function shownHeaders(headers: RawRequest['headers']): Record<string, string> {
  const shown = Object.entries(headers)
    .slice(0, MAX_HEADERS)
    .map(([name, value]) => [
      printable(name, 100),
      isSecretName(name) ? BLANK : printableFields(String(value), MAX_HEADER),
    ]);
  return Object.fromEntries(shown);
}

/**
 * The beginning of a body: JSON is redacted field by field, anything else by what looks like a field.
 * @param maxText characters of a body that is not JSON
 */
export function sampleOf(body: Buffer, maxText = MAX_TEXT): string {
  if (body.length === 0) return '';
  const text = body.subarray(0, 65_536).toString();
  const parsed = parse(text);
  if (parsed === undefined) return printableFields(text, maxText);
  return printable(JSON.stringify(new JsonSample().of(parsed)), MAX_SAMPLE);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isSecretName(name: string): boolean {
  if (name.length > MAX_NAME || SECRET_NAME.test(name)) return true;
  const words = name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').split(/[^A-Za-z]+/);
  return words.some((word) => SECRET_WORD.test(word));
}

function isBlankName(name: string): boolean {
  return isSecretName(name) || CONTENT_NAME.test(name);
}

/** Whether a value is itself the name of a secret, whose value stands next to it: `{"name": "pin", "value": 1}`. */
function namesSecret(value: unknown): boolean {
  return typeof value === 'string' && /^[\w.-]{1,100}$/.test(value) && isSecretName(value);
}

/** A JSON value without secrets and content. Visits only as many values as a sample shows. */
class JsonSample {
  private left = MAX_VALUES;

  of(value: unknown, depth = 0): unknown {
    this.left -= 1;
    if (depth > MAX_DEPTH || this.left < 0) return '…';
    if (typeof value === 'string') {
      return value.length > MAX_TEXT ? `[${value.length} characters]` : redactFields(value);
    }
    if (Array.isArray(value)) {
      return value
        .slice(0, MAX_ITEMS)
        .map((item, index, items) =>
          namesSecret(items[index - 1]) ? BLANK : this.of(item, depth + 1),
        );
    }
    if (!isRecord(value)) return value;
    const isNamed = NAMING_FIELDS.some((field) => namesSecret(value[field]));
    return Object.fromEntries(
      Object.entries(value)
        .slice(0, MAX_MEMBERS)
        .map(([name, item]) => [
          redactFields(truncate(name, MAX_NAME)),
          isNamed || isBlankName(name) ? BLANK : this.of(item, depth + 1),
        ]),
    );
  }
}

/** Nested URLs are percent-encoded several times. */
const MAX_DECODINGS = 3;

/** Text of a few hundred characters without the values of secret fields and without queries, percent-encoded or not. */
function redactFields(text: string, decodings = MAX_DECODINGS): string {
  const plain = redactPlainFields(redact(text));
  const decoded = plain.replace(/%([2-7][0-9a-f])/gi, (_code, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  if (decoded === plain) return plain;
  return decodings === 0 ? BLANK : redactFields(decoded, decodings - 1);
}

/**
 * A name and what separates it from its value, as in `name=`, `"name": "`, and `<name>`, and in a multipart body. A match
 * begins only at the beginning of a word and cannot fail beyond it, so that the time is linear.
 */
const NAME_AND_SEPARATOR = /(?<![\w.-])([\w.-]+)([^\w.-]{1,60})/g;

function redactPlainFields(text: string): string {
  let clean = '';
  let from = 0;
  for (const { 0: match, 1: name = '', 2: separator = '', index } of text.matchAll(
    NAME_AND_SEPARATOR,
  )) {
    if (index < from || !/[:=>"'\n\t]/.test(separator) || !isBlankName(name)) continue;
    const start = index + match.length;
    const value = valueAfter(separator);
    value.lastIndex = start;
    const end = start + (value.exec(text)?.[0].length ?? 0);
    if (end === start) continue;
    clean += text.slice(from, start) + BLANK;
    from = end;
  }
  return (clean + text.slice(from)).replace(/\?[^\s"'<>\\]+/g, `?${BLANK}`);
}

/** The extent of a field's value, by the separator before it; too much rather than too little. */
function valueAfter(separator: string): RegExp {
  if (/[:=]\s*["']?\s*[[{]/.test(separator)) return /.*/sy;
  if (separator.endsWith('"')) return /(?:[^"\\]|\\.)*/sy;
  if (separator.endsWith("'")) return /(?:[^'\\]|\\.)*/sy;
  if (separator.trimEnd().endsWith('>')) return /[^<]*/y;
  if (separator.trimEnd().endsWith('=')) return /[^&;<>"'\r\n]*/y;
  return /^["']/.test(separator) && !separator.includes('\n') ? /[^\s,}\]]*/y : /[^\r\n]*/y;
}
