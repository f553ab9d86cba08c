import { randomUUID } from 'node:crypto';
import { isRecord } from '../platform/json.js';
import type { JobType } from './job-type.js';

/** A stretch of the result that is still behind a URL. */
export interface RemotePart {
  readonly url: string;
  /** What to put around the bytes where they turn out to be a bare array. */
  readonly aroundArray: readonly [before: string, after: string];
}

/** A result as JSON text with gaps, to be filled in order with what the URLs hold. */
export type ResultDocument = readonly (string | RemotePart)[];

/** Reducto hands out a parse either as the object or as the bare array of its chunks. */
const AS_FULL_PARSE = ['{"type":"full","chunks":', '}'] as const;
const AS_IT_IS = ['', ''] as const;

/**
 * Takes apart the `result` of a completed job. Near 6 MB Reducto replaces the inner result by
 * `{type: "url", url}`; services shall not have to care, so the document has the same shape either
 * way. URLs count only in the places where Reducto puts them: anywhere else, `{type: "url"}` may be
 * something that an extraction found in a document.
 */
export function resultDocument(type: JobType, result: unknown): ResultDocument {
  const parts: RemotePart[] = [];
  // Unguessable, so that nothing in a document can pass for a gap.
  const mark = randomUUID();
  const gap = (part: RemotePart): string => `${mark}:${parts.push(part) - 1}`;
  return JSON.stringify(withGaps(type, result, gap))
    .split(new RegExp(`"${mark}:(\\d+)"`))
    .map((piece, index) => (index % 2 === 0 ? piece : (parts[Number(piece)] ?? '')))
    .filter((piece) => piece !== '');
}

function withGaps(type: JobType, result: unknown, gap: (part: RemotePart) => string): unknown {
  if (!isRecord(result) || !('result' in result)) return result;
  const inner = result['result'];
  if (type !== 'pipeline') {
    const around = type === 'parse' ? AS_FULL_PARSE : AS_IT_IS;
    return { ...result, result: fill(inner, around, gap) };
  }
  if (!isRecord(inner)) return result;
  const steps = Object.entries(inner).map(([step, value]) => {
    const around = step === 'parse' ? AS_FULL_PARSE : AS_IT_IS;
    return [
      step,
      Array.isArray(value)
        ? value.map((item) => fillStep(item, around, gap))
        : fillStep(value, around, gap),
    ];
  });
  return { ...result, result: Object.fromEntries(steps) };
}

/** A step of a pipeline is either the inner result itself or the whole answer of its endpoint. */
function fillStep(
  value: unknown,
  around: RemotePart['aroundArray'],
  gap: (part: RemotePart) => string,
): unknown {
  if (isRecord(value) && isUrlResult(value['result'])) {
    return { ...value, result: fill(value['result'], around, gap) };
  }
  return fill(value, around, gap);
}

function fill(
  value: unknown,
  aroundArray: RemotePart['aroundArray'],
  gap: (part: RemotePart) => string,
): unknown {
  return isUrlResult(value) ? gap({ url: value.url, aroundArray }) : value;
}

function isUrlResult(value: unknown): value is { type: 'url'; url: string } {
  return (
    isRecord(value) &&
    value['type'] === 'url' &&
    typeof value['url'] === 'string' &&
    Object.keys(value).every((name) => ['type', 'url', 'result_id'].includes(name))
  );
}
