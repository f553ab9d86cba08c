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

/** JSON of a result, with the downloads of URLs as remote parts, in order. */
export type ResultDocument = readonly (Buffer | RemotePart)[];

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
const MAX_REPLACED_BYTES = 16_384;

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
  const watched: { label: string; start: number; end: number }[] = [];
  let responseType: unknown;
  const scanner = new JsonScanner(answerPaths(type), (label, start, end) => {
    if (end - start > MAX_REPLACED_BYTES) return;
    if (label === 'response-type') responseType = parsed(bytes.subarray(start, end));
    else watched.push({ label, start, end });
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
  const document: (Buffer | RemotePart)[] = [];
  let done = 0;
  // Only now, because `response_type` may come last.
  for (const { label, start, end } of watched) {
    const value = bytes.subarray(start, end);
    const by = label === 'id' ? ownId(value, ids) : remotePart(label, value, responseType);
    if (by === undefined) continue;
    document.push(bytes.subarray(done, start), by);
    done = end;
  }
  return [...document, bytes.subarray(done)];
}

/** The gateway’s id as JSON if `value` is the upstream id of the same job. */
export function ownId(value: Buffer, ids: JobIds): Buffer | undefined {
  return parsed(value) === ids.upstream ? Buffer.from(JSON.stringify(ids.own)) : undefined;
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
