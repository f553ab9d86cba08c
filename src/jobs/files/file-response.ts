import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { readByteRange, type ByteRange } from '../../platform/http/byte-range.js';
import { emptyBody, hasTag } from '../result-response.js';
import type { JobFile } from './job-file.entity.js';

/** A browser saves a file, and runs nothing that it may contain. */
const PASSIVE = {
  'content-security-policy': `default-src 'none'; sandbox`,
  'x-content-type-options': 'nosniff',
};

/** Streams a stored file, or one range of it. */
export async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: JobFile,
  bytes: (range: ByteRange) => AsyncIterable<Buffer>,
): Promise<void> {
  const { method, headers } = request;
  const size = Number(file.sizeBytes);
  const tag = `"${file.sha256}"`;
  void reply.headers(PASSIVE).headers({
    etag: tag,
    'cache-control': 'private',
    'accept-ranges': 'bytes',
    // Names need no encoding (RFC 6266): the gateway makes them.
    'content-disposition': `attachment; filename="${file.name}"`,
  });
  if (hasTag(headers['if-none-match'], [tag])) {
    await reply.status(304).send(emptyBody());
    return;
  }
  const isCurrent = headers['if-range'] === undefined || headers['if-range'] === tag;
  const range = method === 'GET' && isCurrent ? readByteRange(headers.range, size) : undefined;
  if (range === 'unsatisfiable') {
    void reply.header('content-range', `bytes */${size}`).removeHeader('content-disposition');
    throw new GatewayError('range_not_satisfiable', `The file has ${size} bytes.`);
  }
  if (range !== undefined) {
    void reply.status(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`);
  }
  const sent = range ?? { start: 0, end: size - 1 };
  void reply.header('content-type', file.contentType);
  void reply.header('content-length', sent.end - sent.start + 1);
  const body = method === 'HEAD' ? emptyBody() : Readable.from(bytes(sent), { objectMode: false });
  await reply.send(body);
}
