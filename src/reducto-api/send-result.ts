import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { decodedResult } from '../jobs/result-response.js';

/** Streams a stored result within other JSON. The result is never whole in memory. */
export async function sendAroundResult(
  reply: FastifyReply,
  [before, after]: readonly [string, string],
  { sizeBytes }: { readonly sizeBytes: string },
  bytes: AsyncIterable<Buffer>,
): Promise<void> {
  const around = Buffer.byteLength(before) + Buffer.byteLength(after);
  void reply
    .type('application/json; charset=utf-8')
    .header('content-length', around + Number(sizeBytes));
  async function* pieces(): AsyncGenerator<Buffer> {
    yield Buffer.from(before);
    yield* decodedResult(bytes);
    yield Buffer.from(after);
  }
  await reply.send(Readable.from(pieces(), { objectMode: false }));
}
