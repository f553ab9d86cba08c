import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { JobResult } from './job-result.entity.js';

/**
 * Answers with a stored result: as it is stored (gzip) where the client accepts that, else unpacked on
 * the way. Neither form is ever whole in memory.
 */
export async function sendResult(
  request: FastifyRequest,
  reply: FastifyReply,
  result: JobResult,
  bytes: () => AsyncIterable<Buffer>,
): Promise<void> {
  const compressed = acceptsGzip(request.headers['accept-encoding']);
  // Two encodings are two representations, hence two tags.
  const tag = `"${result.sha256}${compressed ? '-gzip' : ''}"`;
  void reply
    .header('etag', tag)
    .header('vary', 'Accept-Encoding')
    .header('cache-control', 'private');
  if (isKnown(request.headers['if-none-match'], result.sha256)) {
    await reply.status(304).send();
    return;
  }
  void reply.header('content-type', 'application/json; charset=utf-8');
  if (compressed) void reply.header('content-encoding', 'gzip');
  void reply.header('content-length', compressed ? result.storedBytes : result.sizeBytes);
  if (request.method === 'HEAD') {
    await reply.send();
    return;
  }
  const stored = Readable.from(bytes(), { objectMode: false });
  await reply.send(compressed ? stored : unpack(stored));
}

function unpack(stored: Readable): Readable {
  const plain = createGunzip();
  stored.on('error', (error) => plain.destroy(error));
  plain.on('close', () => stored.destroy());
  return stored.pipe(plain);
}

/** `gzip` or `*` with a weight above 0. */
function acceptsGzip(header: string | string[] | undefined): boolean {
  const weights = new Map<string, number>();
  for (const part of String(header ?? '').split(',')) {
    const [name = '', ...parameters] = part
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/);
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    weights.set(name, weight === undefined ? 1 : Number(weight));
  }
  return (weights.get('gzip') ?? weights.get('x-gzip') ?? weights.get('*') ?? 0) > 0;
}

function isKnown(header: string | undefined, sha256: string): boolean {
  return (header ?? '')
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''))
    .some((tag) => tag === '*' || tag === `"${sha256}"` || tag === `"${sha256}-gzip"`);
}
