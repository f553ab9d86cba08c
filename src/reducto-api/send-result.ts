import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

/** The JSON of a result. `size` is undefined if it is not known. */
export interface OpenResult {
  readonly content: AsyncIterable<Buffer>;
  readonly size: number | undefined;
}

/** Streams a result within other JSON. The result is never whole in memory. */
export async function sendAroundResult(
  reply: FastifyReply,
  [before, after]: readonly [string, string],
  { content, size }: OpenResult,
): Promise<void> {
  const around = Buffer.byteLength(before) + Buffer.byteLength(after);
  void reply.type('application/json; charset=utf-8');
  if (size !== undefined) void reply.header('content-length', around + size);
  async function* pieces(): AsyncGenerator<Buffer> {
    yield Buffer.from(before);
    yield* content;
    yield Buffer.from(after);
  }
  await reply.send(Readable.from(pieces(), { objectMode: false }));
}
