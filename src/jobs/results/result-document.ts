import { setImmediate } from 'node:timers/promises';
import { isRecord } from '../../platform/json/is-record.js';
import {
  JsonScanner,
  JsonSyntaxError,
  type WatchedPaths,
} from '../../platform/json/json-scanner.js';
import { ResultDownloadError } from '../../reducto/result-download-error.js';
import type { JobType } from '../job-type.js';
import { answerPaths, DOWNLOADED, EXTRACTED } from './result-paths.js';

/** A part of the result that is behind a URL. */
export interface RemotePart {
  readonly url: string;
  /** What to put around the bytes where they turn out to be a bare array. */
  readonly aroundArray: readonly [before: string, after: string];
  readonly watched: WatchedPaths;
}

/** A result as JSON with gaps, to be filled in order with what the URLs hold. */
export type ResultDocument = readonly (Buffer | RemotePart)[];

/** The ids of one job. Services know the gateway's only. */
export interface JobIds {
  readonly own: string;
  readonly upstream: string;
}

/** Reducto serves a parse either as the object or as the bare array of its chunks. */
const AS_FULL_PARSE = ['{"type":"full","chunks":', '}'] as const;
const AS_IT_IS = ['', ''] as const;

/** Scanned without a pause: well below a millisecond. */
const SLICE_BYTES = 65_536;

/** Longer values are neither an id nor a URL. */
const MAX_REPLACED_BYTES = 16_384;

/**
 * Takes apart the `result` of a completed job, given as the bytes of its JSON. Near 6 MB Reducto replaces the inner result by
 * `{type: "url", url}`; the document has the same shape either way. All bytes stay as they are, apart from URLs and
 * job ids in the places where Reducto documents them: anywhere else they can be what an extraction found. Throws
 * `ResultDownloadError` where the nesting is deeper than the scanner follows.
 */
export async function resultDocument(
  type: JobType,
  bytes: Buffer,
  ids: JobIds,
): Promise<ResultDocument> {
  const replaced: { start: number; end: number; by: Buffer | RemotePart }[] = [];
  const scanner = new JsonScanner(answerPaths(type), (label, start, end) => {
    if (end - start > MAX_REPLACED_BYTES) return;
    const value = bytes.subarray(start, end);
    const by = label === 'id' ? ownId(value, ids) : remotePart(label, value);
    if (by !== undefined) replaced.push({ start, end, by });
  });
  try {
    for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
      scanner.write(bytes.subarray(at, at + SLICE_BYTES));
      await setImmediate();
    }
    scanner.end();
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new ResultDownloadError(`the result cannot be read (${error.message})`);
  }
  const document: (Buffer | RemotePart)[] = [];
  let done = 0;
  for (const { start, end, by } of replaced) {
    document.push(bytes.subarray(done, start), by);
    done = end;
  }
  return [...document, bytes.subarray(done)];
}

/** The gateway's id as JSON, where `value` is the upstream id of the same job. */
export function ownId(value: Buffer, ids: JobIds): Buffer | undefined {
  return parsed(value) === ids.upstream ? Buffer.from(JSON.stringify(ids.own)) : undefined;
}

function remotePart(label: string, value: Buffer): RemotePart | undefined {
  if (value[0] !== 0x7b) return undefined;
  const reference = parsed(value);
  if (!isUrlResult(reference)) return undefined;
  if (label === 'strict-url' && typeof reference.result_id !== 'string') return undefined;
  return {
    url: reference.url,
    aroundArray: label === 'parse-url' ? AS_FULL_PARSE : AS_IT_IS,
    watched: label === 'parse-url' ? DOWNLOADED : EXTRACTED,
  };
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
