import { JsonScanner, JsonSyntaxError } from '../../platform/json/json-scanner.js';
import { ResultDownloadError } from '../../reducto/result-download-error.js';
import {
  MAX_REPLACED_BYTES,
  replacementOf,
  type JobIds,
  type LinkPart,
  type RemotePart,
  type ResultDocument,
} from './result-document.js';

/** A link in a result, with the offsets of its JSON. */
export interface ResultLink extends Pick<LinkPart, 'kind' | 'link'> {
  readonly start: number;
  readonly end: number;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly replacement: Buffer | LinkPart;
}

/** Bounds the work per turn of the event loop. */
const SLICE_BYTES = 65_536;

/**
 * Streams a result document and downloads its remote parts. Checks that each part is one complete JSON value, and
 * reports its links. Throws `ResultDownloadError`, also beyond `maxBytes`.
 */
export async function* resultContent(
  document: ResultDocument,
  download: (url: string) => AsyncIterable<Buffer>,
  ids: JobIds,
  maxBytes: number,
  onLink: (link: ResultLink) => void = () => undefined,
): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const piece of pieces(document, download, ids)) {
    const bytes = Buffer.isBuffer(piece) ? piece : piece.json;
    if (!Buffer.isBuffer(piece)) {
      const { kind, link } = piece;
      onLink({ kind, link, start: size, end: size + bytes.length });
    }
    size += bytes.length;
    if (size > maxBytes) {
      throw new ResultDownloadError(`the result is larger than RESULT_MAX_BYTES (${maxBytes})`);
    }
    yield bytes;
  }
}

async function* pieces(
  document: ResultDocument,
  download: (url: string) => AsyncIterable<Buffer>,
  ids: JobIds,
): AsyncGenerator<Buffer | LinkPart> {
  for (const part of document) {
    if (Buffer.isBuffer(part)) yield* inSlices([part]);
    else if ('link' in part) yield part;
    else yield* remoteJson(part, download(part.url), ids);
  }
}

async function* remoteJson(
  part: RemotePart,
  download: AsyncIterable<Buffer>,
  ids: JobIds,
): AsyncGenerator<Buffer | LinkPart> {
  try {
    yield* edited(part, download, ids);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new ResultDownloadError(`the result URL did not return complete JSON (${error.message})`);
  }
}

async function* edited(
  { aroundArray: [before, after], watched }: RemotePart,
  download: AsyncIterable<Buffer>,
  ids: JobIds,
): AsyncGenerator<Buffer | LinkPart> {
  let bytes: Buffer = Buffer.alloc(0);
  /** Offset of `bytes` in the download. */
  let offset = 0;
  let edits: Edit[] = [];
  let opening: number | undefined;
  const scanner = new JsonScanner(watched, (label, start, end) => {
    if (start < offset || end - start > MAX_REPLACED_BYTES) return;
    const replacement = replacementOf(label, bytes.subarray(start - offset, end - offset), ids);
    if (replacement !== undefined) edits.push({ start, end, replacement });
  });
  for await (const slice of inSlices(withoutByteOrderMark(download))) {
    bytes = bytes.length === 0 ? slice : Buffer.concat([bytes, slice]);
    const end = offset + bytes.length;
    if (opening === undefined) {
      const first = slice.findIndex((byte) => !isWhitespace(byte));
      opening = slice[first];
      const start = end - slice.length + first;
      if (opening === OPEN_ARRAY)
        edits.push({ start, end: start, replacement: Buffer.from(before) });
      else if (opening !== undefined && opening !== OPEN_OBJECT) {
        throw new ResultDownloadError('the result URL did not return a JSON object or array');
      }
    }
    scanner.write(slice);
    for (const edit of edits) {
      yield bytes.subarray(0, edit.start - offset);
      yield edit.replacement;
      bytes = bytes.subarray(edit.end - offset);
      offset = edit.end;
    }
    edits = [];
    const buffered = end - Math.max(scanner.openStart ?? end, offset);
    const kept = buffered > MAX_REPLACED_BYTES ? 0 : buffered;
    yield bytes.subarray(0, bytes.length - kept);
    bytes = bytes.subarray(bytes.length - kept);
    offset = end - kept;
  }
  scanner.end();
  if (opening === OPEN_ARRAY) yield Buffer.from(after);
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;

async function* withoutByteOrderMark(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let lead: Buffer = Buffer.alloc(0);
  let isComplete = false;
  for await (const chunk of bytes) {
    if (isComplete) {
      yield chunk;
      continue;
    }
    lead = Buffer.concat([lead, chunk]);
    if (lead.length < 3 && BYTE_ORDER_MARK.subarray(0, lead.length).equals(lead)) continue;
    isComplete = true;
    yield lead.subarray(0, 3).equals(BYTE_ORDER_MARK) ? lead.subarray(3) : lead;
  }
  if (!isComplete) yield lead;
}

async function* inSlices(bytes: Iterable<Buffer> | AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
      yield chunk.subarray(at, at + SLICE_BYTES);
    }
  }
}

function isWhitespace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
