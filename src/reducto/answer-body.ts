import { setImmediate } from 'node:timers/promises';
import { isRecord } from '../platform/json/is-record.js';
import { JsonScanner, JsonSyntaxError } from '../platform/json/json-scanner.js';
import { watchedPaths } from '../platform/json/watched-paths.js';
import { findValue } from '../platform/json/json-members.js';

/** The part of an answer that the gateway reads. */
export interface AnswerBody {
  /** Parsed JSON, or text. Of a large object only `READ_MEMBERS`, of a large text both ends. */
  readonly body: unknown;
  /** The whole body, if it is a JSON object in UTF-8. */
  readonly bytes?: Buffer | undefined;
  /** Bytes of the member `result`; parsing would change numbers and the order of names. */
  readonly result?: Buffer | undefined;
  /** The body exceeds `MAX_ANSWER_BYTES`; `body` is its beginning. */
  readonly isTooLarge?: boolean;
}

/** Limit of the decoded body. Reducto answers with a URL from 6 MB on. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Larger bodies are scanned as bytes, which costs less than to parse them and to find `result` in their text. */
const MAX_PARSED_BYTES = 4096;

/** JSON.parse needs a few milliseconds for this size. */
const MAX_PARSED_AT_ONCE_BYTES = 262_144;
/** Bounds the work per turn of the event loop. */
const SLICE_BYTES = 65_536;

/** Text members of `error`, which are read one by one where it is large. */
const ERROR_MEMBERS = ['name', 'type', 'message'] as const;

/** Members that the gateway reads. */
const READ_MEMBERS = watchedPaths(
  Object.fromEntries(
    [
      ...ERROR_MEMBERS.map((name) => `error.${name}`),
      'status',
      'result',
      'progress',
      'reason',
      'error',
      'job_id',
      'raw_config',
      'jobs',
      'next_cursor',
      'detail',
      'message',
    ].map((name) => [name, name]),
  ),
);

/** Members that are needed whole. */
const READ_WHOLE: ReadonlySet<string> = new Set(['jobs', 'raw_config']);

const SPACE = 0x20;
const QUOTE = 0x22;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads a body without blocking the event loop. A body that is not JSON in UTF-8 is text. */
export async function readAnswerBody(chunks: readonly Buffer[]): Promise<AnswerBody> {
  const bytes = await joined(chunks);
  return bytes.length > MAX_PARSED_BYTES ? readLarge(bytes) : readSmall(bytes);
}

/** A body that is too large, with its beginning. */
export function tooLargeBody(beginning: readonly Buffer[]): AnswerBody {
  return { body: textOf(beginning[0] ?? Buffer.alloc(0)), isTooLarge: true };
}

function readSmall(bytes: Buffer): AnswerBody {
  try {
    const text = strictUtf8.decode(bytes);
    const body: unknown = JSON.parse(text);
    if (!isRecord(body)) return { body };
    const span = findValue(text, ['result']);
    const whole = { body, bytes: withoutByteOrderMark(bytes) };
    return span === undefined
      ? whole
      : { ...whole, result: Buffer.from(text.slice(span.start, span.end)) };
  } catch {
    return { body: bytes.toString() };
  }
}

async function readLarge(bytes: Buffer): Promise<AnswerBody> {
  const json = withoutByteOrderMark(bytes);
  const members = new Map<string, Buffer>();
  // Like JSON.parse, use the last of members with one name.
  const scanner = new JsonScanner(READ_MEMBERS, (name, start, end) =>
    members.set(name, json.subarray(start, end)),
  );
  let opening: number | undefined;
  try {
    for (let at = 0; at < json.length; at += SLICE_BYTES) {
      const slice = json.subarray(at, at + SLICE_BYTES);
      opening ??= slice.find((byte) => byte > SPACE);
      scanner.write(slice);
      if (at + SLICE_BYTES < json.length) await setImmediate();
    }
    scanner.end();
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    return { body: textOf(bytes) };
  }
  if (opening === OPEN_ARRAY) return { body: [] };
  if (opening !== OPEN_OBJECT) return { body: textOf(bytes) };
  const result = members.get('result');
  members.delete('result');
  const error = largeError(members);
  const entries = [...members].map(([name, value]) => [
    name,
    READ_WHOLE.has(name) ? JSON.parse(value.toString()) : beginningOf(value),
  ]);
  const body: Record<string, unknown> = Object.fromEntries(entries);
  return { body: error === undefined ? body : { ...body, error }, bytes: json, result };
}

/** The text members of an `error` that is too large to be parsed at once. Removes them from `members`. */
function largeError(members: Map<string, Buffer>): Record<string, unknown> | undefined {
  const error = members.get('error');
  const texts = ERROR_MEMBERS.flatMap((name) => {
    const value = members.get(`error.${name}`);
    members.delete(`error.${name}`);
    return value === undefined ? [] : [[name, value] as const];
  });
  if (error === undefined || error.length <= MAX_PARSED_AT_ONCE_BYTES) return undefined;
  // The scanner also reports the members of an earlier member with the same name.
  const own = texts.filter(
    ([, value]) =>
      value.byteOffset >= error.byteOffset && value.byteOffset < error.byteOffset + error.length,
  );
  return Object.fromEntries(own.map(([name, value]) => [name, beginningOf(value)]));
}

/** A value; of a large string its beginning, of other large values nothing. */
function beginningOf(value: Buffer): unknown {
  if (value.length <= MAX_PARSED_AT_ONCE_BYTES) return JSON.parse(value.toString());
  if (value[0] !== QUOTE) return undefined;
  const beginning = value.toString('utf8', 0, SLICE_BYTES);
  // The cut may split an escape, which has up to six characters.
  for (let length = beginning.length; length > beginning.length - 6; length--) {
    try {
      return JSON.parse(`${beginning.slice(0, length)}"`);
    } catch {
      continue;
    }
  }
  return undefined;
}

/** Both ends of a large text, which contain the message of an error and the status of a job. */
function textOf(bytes: Buffer): string {
  if (bytes.length <= 2 * SLICE_BYTES) return bytes.toString();
  return (
    bytes.toString('utf8', 0, SLICE_BYTES) + bytes.toString('utf8', bytes.length - SLICE_BYTES)
  );
}

function withoutByteOrderMark(bytes: Buffer): Buffer {
  const isMarked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return isMarked ? bytes.subarray(3) : bytes;
}

/** Copies in steps, because new memory costs more than the copy. */
async function joined(chunks: readonly Buffer[]): Promise<Buffer> {
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return only;
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (size <= MAX_PARSED_AT_ONCE_BYTES) return Buffer.concat(chunks, size);
  const bytes = Buffer.allocUnsafeSlow(size);
  let copied = 0;
  let sincePause = 0;
  for (const chunk of chunks) {
    copied += chunk.copy(bytes, copied);
    sincePause += chunk.length;
    if (sincePause < 16 * SLICE_BYTES) continue;
    sincePause = 0;
    await setImmediate();
  }
  return bytes;
}
