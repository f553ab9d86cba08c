import { setImmediate } from 'node:timers/promises';
import { isRecord } from '../../platform/json/is-record.js';
import { JsonScanner, JsonSyntaxError } from '../../platform/json/json-scanner.js';
import { type WatchedPaths } from '../../platform/json/watched-paths.js';
import { ResultDownloadError } from '../../reducto/result-download-error.js';
import type { JobType } from '../job-type.js';
import { answerPaths, DOWNLOADED, EXTRACTED } from './result-paths.js';

/** A part of the result that Reducto serves at a URL. */
export interface RemotePart {
  readonly url: string;
  /** Text around the bytes if they are a bare array. */
  readonly aroundArray: readonly [before: string, after: string];
  readonly watched: WatchedPaths;
}

/** A link in a result as JSON. It stays until the files have been fetched. */
export interface LinkPart {
  /** What the link is for, `unknown` where Reducto documents none. */
  readonly kind: string;
  readonly link: string;
  readonly json: Buffer;
}

/** JSON of a result, with links, and with the downloads of URLs as remote parts, in order. */
export type ResultDocument = readonly (Buffer | LinkPart | RemotePart)[];

/** A value to replace; a URL result has no `by` until the shape of the answer is known. */
interface Found {
  readonly label: string;
  readonly start: number;
  readonly end: number;
  readonly by?: Buffer | LinkPart | RemotePart;
}

/** The ids of one job. Services know only the gateway’s. */
export interface JobIds {
  readonly own: string;
  readonly upstream: string;
}

/** Reducto serves a parse either as the object or as the bare array of its chunks. */
const AS_FULL_PARSE = ['{"type":"full","chunks":', '}'] as const;
const UNCHANGED = ['', ''] as const;

/** Bounds the work per turn of the event loop. */
const SLICE_BYTES = 65_536;

/** Longer values are not ids or URLs. */
export const MAX_REPLACED_BYTES = 16_384;

/**
 * Splits the JSON `result` of a completed job at URLs and job ids. Reducto replaces a large inner result by
 * `{type: "url", url}`. Only documented paths are replaced, because other values may be extracted data. Throws
 * `ResultDownloadError` if the nesting is too deep.
 */
export async function resultDocument(
  type: JobType,
  bytes: Buffer,
  ids: JobIds,
): Promise<ResultDocument> {
  const found: Found[] = [];
  let responseType: unknown;
  const hasLinks = bytes.includes('"http') || bytes.includes('"HTTP');
  const scanner = new JsonScanner(answerPaths(type, hasLinks), (label, start, end) => {
    if (end - start > MAX_REPLACED_BYTES) return;
    const value = bytes.subarray(start, end);
    if (label === 'response-type') responseType = parsed(value);
    else if (label.endsWith('url')) found.push({ label, start, end });
    else {
      const by = replacementOf(label, value, ids);
      if (by !== undefined) found.push({ label, start, end, by });
    }
  });
  try {
    for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
      scanner.write(bytes.subarray(at, at + SLICE_BYTES));
      if (at + SLICE_BYTES < bytes.length) await setImmediate();
    }
    scanner.end();
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new ResultDownloadError(`the result is not valid JSON (${error.message})`);
  }
  const replaced: Required<Found>[] = [];
  // Only now, because `response_type` may come last.
  for (const { label, start, end, by: known } of found) {
    const by = known ?? remotePart(label, bytes.subarray(start, end), responseType);
    if (by === undefined) continue;
    // Links within a URL result are replaced with it.
    while ((replaced.at(-1)?.start ?? -1) > start) replaced.pop();
    replaced.push({ label, start, end, by });
  }
  const document: (Buffer | LinkPart | RemotePart)[] = [];
  let done = 0;
  for (const { start, end, by } of replaced) {
    document.push(bytes.subarray(done, start), by);
    done = end;
  }
  return [...document, bytes.subarray(done)];
}

/** The gateway’s id as JSON if `value` is the upstream id of the same job; a link if `value` is one. */
export function replacementOf(
  label: string,
  value: Buffer,
  ids: JobIds,
): Buffer | LinkPart | undefined {
  if (label !== 'id') return linkPart(label, value);
  return parsed(value) === ids.upstream ? Buffer.from(JSON.stringify(ids.own)) : undefined;
}

const LETTER_H = 0x68;
/** Turns an upper-case letter into its lower case. */
const LOWER_CASE = 0x20;
/** The beginning of a URL as JSON, which has no escapes there. */
const BEGIN_OF_URL = /^"(?:https?|HTTPS?):/;

function linkPart(label: string, json: Buffer): LinkPart | undefined {
  // Most strings are no links.
  if (((json[1] ?? 0) | LOWER_CASE) !== LETTER_H) return undefined;
  if (!BEGIN_OF_URL.test(json.toString('latin1', 0, 7))) return undefined;
  return { kind: label.replace('file:', ''), link: String(parsed(json)), json };
}

/** @param responseType the shape that the answer names; undefined if it names none */
function remotePart(label: string, value: Buffer, responseType: unknown): RemotePart | undefined {
  if (value[0] !== 0x7b) return undefined;
  const reference = parsed(value);
  if (!isUrlResult(reference)) return undefined;
  if (isStrict(label, responseType) && typeof reference.result_id !== 'string') return undefined;
  if (label === 'legacy-url' && responseType === 'v3_extract') return undefined;
  return {
    url: reference.url,
    aroundArray: label === 'parse-url' ? AS_FULL_PARSE : UNCHANGED,
    watched: label === 'parse-url' ? DOWNLOADED : EXTRACTED,
  };
}

/** Whether the value may be extracted data that looks like a URL result. */
function isStrict(label: string, responseType: unknown): boolean {
  if (label === 'url' || label === 'parse-url') return false;
  return label === 'strict-url' || responseType !== 'extract';
}

function parsed(value: Buffer): unknown {
  return JSON.parse(value.toString());
}

function isUrlResult(value: unknown): value is { type: 'url'; url: string; result_id?: unknown } {
  return (
    isRecord(value) &&
    value['type'] === 'url' &&
    typeof value['url'] === 'string' &&
    Object.keys(value).every((name) => ['type', 'url', 'result_id'].includes(name))
  );
}
