import { ResultDownloadError } from '../reducto/result-download-error.js';
import type { RemotePart, ResultDocument } from './result-document.js';

/**
 * The bytes of a result document, its remote parts downloaded as they are needed. Nothing is parsed
 * or gathered: a part is only checked at its two ends, which tells JSON from error pages and from
 * most of what was cut off.
 */
export async function* contentOf(
  document: ResultDocument,
  download: (url: string) => AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  for (const part of document) {
    if (typeof part === 'string') yield Buffer.from(part);
    else yield* remoteJson(part, download(part.url));
  }
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const CLOSING: Readonly<Record<string, string>> = { '{': '}', '[': ']' };

async function* remoteJson(part: RemotePart, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const [before, after] = part.aroundArray;
  let opening = '';
  let last = '';
  for await (const chunk of withoutLead(bytes)) {
    if (opening === '') {
      opening = String.fromCharCode(chunk[0] ?? 0);
      if (CLOSING[opening] === undefined) {
        throw new ResultDownloadError('what the URL of the result holds is not JSON');
      }
      if (opening === '[' && before !== '') yield Buffer.from(before);
    }
    last = lastVisible(chunk) ?? last;
    yield chunk;
  }
  if (opening === '' || last !== CLOSING[opening]) {
    throw new ResultDownloadError('what the URL of the result holds is incomplete');
  }
  if (opening === '[' && after !== '') yield Buffer.from(after);
}

/** Drops a byte order mark and white space at the beginning, however the bytes are cut. */
async function* withoutLead(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let begun = false;
  let lead = Buffer.alloc(0);
  for await (const chunk of bytes) {
    if (begun) {
      yield chunk;
      continue;
    }
    lead = Buffer.concat([lead, chunk]);
    const cutMark = lead.length < 3 && BYTE_ORDER_MARK.subarray(0, lead.length).equals(lead);
    const text = lead.subarray(0, 3).equals(BYTE_ORDER_MARK) ? lead.subarray(3) : lead;
    const first = text.findIndex((byte) => !isSpace(byte));
    if (first === -1 && !cutMark) lead = lead.subarray(0, 0);
    if (cutMark || first === -1) continue;
    begun = true;
    yield text.subarray(first);
  }
}

function lastVisible(bytes: Buffer): string | undefined {
  const last = bytes.findLastIndex((byte) => !isSpace(byte));
  return last === -1 ? undefined : String.fromCharCode(bytes[last] ?? 0);
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
