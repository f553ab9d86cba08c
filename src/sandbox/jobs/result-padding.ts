import { isFullResult } from '../results/parse-result.js';
import { isJsonObject } from '../json.js';

const FILLER_BYTES = 64 * 1024;
const MIN_FILLER_BYTES = 128;
const FILLER_TEXT =
  'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor. ';

/**
 * Yields the JSON of an inner result, padded to `bytes`, in pieces, so that 50 MB are never in memory
 * at once.
 */
export function* resultPieces(
  inner: unknown,
  form: 'object' | 'array',
  bytes: number,
): Generator<string> {
  const { head, tail, hasChunks } = split(inner, form);
  let left = bytes - Buffer.byteLength(head) - Buffer.byteLength(tail);
  yield head;
  const room = hasChunks ? MIN_FILLER_BYTES : Number.POSITIVE_INFINITY;
  while (left > room) {
    const piece = `,${fillerChunk(Math.min(left, FILLER_BYTES) - 1)}`;
    yield piece;
    left -= piece.length;
  }
  // White space fills what is too small for a chunk.
  yield* padding(left);
  yield tail;
}

export function* padding(bytes: number): Generator<string> {
  for (let left = bytes; left > 0; left -= FILLER_BYTES) {
    yield ' '.repeat(Math.min(left, FILLER_BYTES));
  }
}

interface Split {
  head: string;
  tail: string;
  /** Filler chunks may follow the head. */
  hasChunks: boolean;
}

/** Splits the text where filler goes: after the chunks of a parse, else before the end. */
function split(inner: unknown, form: 'object' | 'array'): Split {
  if (isFullResult(inner)) {
    const { chunks, ...others } = inner;
    const list = JSON.stringify(chunks).slice(0, -1);
    const hasChunks = chunks.length > 0;
    if (form === 'array') return { head: list, tail: ']', hasChunks };
    const rest = JSON.stringify(others).slice(1);
    return { head: `{"chunks":${list}`, tail: `],${rest}`, hasChunks };
  }
  const text = JSON.stringify(inner);
  const end = isJsonObject(inner) || Array.isArray(inner) ? -1 : text.length;
  return { head: text.slice(0, end), tail: text.slice(end), hasChunks: false };
}

/** A chunk of exactly `bytes` bytes of JSON, or the smallest possible chunk. */
function fillerChunk(bytes: number): string {
  const room = Math.max(0, bytes - chunkOf('').length);
  return chunkOf(FILLER_TEXT.repeat(Math.ceil(room / FILLER_TEXT.length)).slice(0, room));
}

function chunkOf(content: string): string {
  return JSON.stringify({
    content,
    embed: '',
    enriched: null,
    enrichment_success: false,
    blocks: [],
  });
}
