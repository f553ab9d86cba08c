import { pipeline, Readable } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../platform/errors/error-codes.js';
import { acceptedCodings } from '../platform/http/compression.js';
import { readByteRange, type ByteRange } from '../platform/http/byte-range.js';
import type { NewLinks } from './files/file-links.js';
import type { JobResult } from './results/job-result.entity.js';

export { ApiFileResponse, ApiResultResponse } from './api/result.openapi.js';

export interface ServedResult {
  readonly result: JobResult;
  /** The gzip stream; fails if retention deletes it meanwhile. */
  readonly bytes: () => AsyncIterable<Buffer>;
  /** Links to its files that replace the stored ones. */
  readonly links: NewLinks | undefined;
}

/**
 * Streams a stored result: as stored (gzip) if the client prefers that, else decoded. Ranges refer to the decoded
 * bytes. With other links than the stored ones, its size is not known, and it has no ranges. It is never whole in memory.
 */
export async function sendResult(
  request: FastifyRequest,
  reply: FastifyReply,
  { result, bytes, links }: ServedResult,
): Promise<void> {
  const codings = acceptedCodings(request.headers);
  const version = links === undefined ? result.sha256 : `${result.sha256}-${links.tag}`;
  const range = links === undefined ? requestedRange(request, result, codings) : undefined;
  const coding = range === undefined ? codings[0] : 'identity';
  if (coding === undefined) {
    throw new GatewayError('not_acceptable', 'Accept-Encoding excludes both gzip and identity.');
  }
  const isCompressed = coding === 'gzip';
  // Each encoding is a representation with its own tag (RFC 9110).
  const tags = { identity: identityTag(version), gzip: gzipTag(version) };
  void reply
    .header('etag', isCompressed ? tags.gzip : tags.identity)
    .header('vary', 'Accept-Encoding')
    .header('cache-control', 'private')
    .header('accept-ranges', links === undefined ? 'bytes' : 'none');
  if (hasTag(request.headers['if-none-match'], Object.values(tags))) {
    await reply.status(304).send(emptyBody());
    return;
  }
  const size = Number(isCompressed ? result.storedBytes : result.sizeBytes);
  if (range === 'unsatisfiable') {
    void reply.header('content-range', `bytes */${size}`);
    throw new GatewayError('range_not_satisfiable', `The result has ${size} bytes.`);
  }
  void reply.header('content-type', 'application/json; charset=utf-8');
  if (isCompressed) void reply.header('content-encoding', 'gzip');
  if (range !== undefined) {
    void reply.status(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`);
  }
  if (links === undefined) {
    const length = range === undefined ? size : range.end - range.start + 1;
    void reply.header('content-length', length);
  }
  if (request.method === 'HEAD') {
    await reply.send(emptyBody());
    return;
  }
  const stored = Readable.from(bytes(), { objectMode: false });
  if (links !== undefined) {
    const json = Readable.from(links.replace(decode(stored)), { objectMode: false });
    await reply.send(isCompressed ? pipeline(json, createGzip(), () => undefined) : json);
  } else if (isCompressed) await reply.send(stored);
  else await reply.send(range === undefined ? decode(stored) : part(decode(stored), range));
}

/** Fastify overwrites the Content-Length of a HEAD response without a stream. */
export const emptyBody = (): Readable => Readable.from([]);

/** `undefined` for the whole result. Only the decoded bytes have ranges. */
function requestedRange(
  { method, headers }: FastifyRequest,
  result: JobResult,
  codings: readonly string[],
): ByteRange | 'unsatisfiable' | undefined {
  if (method !== 'GET' || !codings.includes('identity')) return undefined;
  const condition = headers['if-range'];
  if (condition !== undefined && condition !== identityTag(result.sha256)) return undefined;
  return readByteRange(headers.range, Number(result.sizeBytes));
}

const identityTag = (version: string): string => `"${version}"`;
const gzipTag = (version: string): string => `"${version}-gzip"`;

/** The JSON of a result, read as fast as it is consumed. */
export function decodedResult(bytes: AsyncIterable<Buffer>): Readable {
  return decode(Readable.from(bytes, { objectMode: false }));
}

function decode(stored: Readable): Readable {
  const plain = createGunzip();
  stored.on('error', (error) => plain.destroy(error));
  plain.on('close', () => stored.destroy());
  return stored.pipe(plain);
}

/** Decodes from the beginning, because gzip has no random access, and stops after the last byte. */
function part(bytes: AsyncIterable<Buffer>, { start, end }: ByteRange): Readable {
  async function* read(): AsyncGenerator<Buffer> {
    let at = 0;
    for await (const chunk of bytes) {
      const piece = chunk.subarray(Math.max(start - at, 0), end + 1 - at);
      at += chunk.length;
      if (piece.length > 0) yield piece;
      if (at > end) return;
    }
  }
  return Readable.from(read(), { objectMode: false });
}

/** Whether an `If-None-Match` names one of `tags` (RFC 9110, weak comparison). */
export function hasTag(header: string | undefined, tags: readonly string[]): boolean {
  return (header ?? '')
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''))
    .some((tag) => tag === '*' || tags.includes(tag));
}
