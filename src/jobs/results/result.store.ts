import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip, gzipSync } from 'node:zlib';
import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { preparedRows } from '../../platform/database/sql.js';
import { timeOrderedId } from '../../platform/time-ordered-id.js';
import { JobResult } from './job-result.entity.js';
import { ResultChunk } from './result-chunk.entity.js';

/** A result that belongs to no job yet. */
export interface NewContent extends Pick<
  JobResult,
  'contentId' | 'sha256' | 'sizeBytes' | 'storedBytes'
> {
  /** The gzip stream of a small result, which is stored when its job completes; null if it is stored already. */
  readonly bytes: Buffer | null;
}

/** Bytes to replace, by their offsets. */
export interface ContentEdit {
  readonly start: number;
  readonly end: number;
  readonly replacement: Buffer;
}

const CHUNK_BYTES = 256 * 1024;

/** Uncompressed size up to which a result is compressed at once and stored with the end of its job. */
const SMALL_BYTES = 65_536;

/** Of a small result: half the time of the default for the same size. */
const SMALL_COMPRESSION = { level: 1, memLevel: 6, windowBits: 13 };

/** Stores results as gzip streams in chunks, written and read one at a time to bound memory. */
@Injectable()
export class ResultStore {
  constructor(
    @InjectRepository(JobResult) private readonly results: Repository<JobResult>,
    @InjectRepository(ResultChunk) private readonly chunks: Repository<ResultChunk>,
  ) {}

  /** Compresses `content`, and stores it if it is large. On an error it deletes the written chunks and rethrows. */
  async writeContent(content: AsyncIterable<Buffer>): Promise<NewContent> {
    const iterator = content[Symbol.asyncIterator]();
    const beginning: Buffer[] = [];
    for (let size = 0; size <= SMALL_BYTES;) {
      const next = await iterator.next();
      if (next.done === true) return smallContent(Buffer.concat(beginning, size));
      beginning.push(next.value);
      size += next.value.length;
    }
    return this.writeChunks(resumed(beginning, iterator));
  }

  private async writeChunks(content: AsyncIterable<Buffer>): Promise<NewContent> {
    const contentId = timeOrderedId();
    const hash = createHash('sha256');
    let size = 0;
    let stored = 0;
    const measured = async function* (): AsyncGenerator<Buffer> {
      for await (const bytes of content) {
        hash.update(bytes);
        size += bytes.length;
        yield bytes;
      }
    };
    const store = async (compressed: AsyncIterable<Buffer>): Promise<void> => {
      let seq = 0;
      for await (const bytes of inChunks(compressed)) {
        await this.chunks.insert({ contentId, seq, bytes });
        stored += bytes.length;
        seq += 1;
      }
    };
    try {
      await pipeline(
        Readable.from(measured(), { objectMode: false }),
        createGzip({ level: 5 }),
        store,
      );
    } catch (error) {
      await this.discardContents([contentId]).catch(() => undefined);
      throw error;
    }
    return {
      contentId,
      sha256: hash.digest('hex'),
      sizeBytes: String(size),
      storedBytes: String(stored),
      bytes: null,
    };
  }

  /** Deletes contents of results and files that belong to no job. */
  async discardContents(contentIds: readonly string[]): Promise<void> {
    if (contentIds.length > 0) await preparedRows(this.chunks.manager, DISCARD, [contentIds]);
  }

  /** `content` with some of its bytes replaced. Deletes `content`, which belongs to no job. */
  async replaceContent(content: NewContent, edits: readonly ContentEdit[]): Promise<NewContent> {
    const compressed = content.bytes === null ? this.readContent(content) : [content.bytes];
    const replaced = await this.writeContent(withEdits(gunzipped(compressed), edits));
    if (content.bytes === null) await this.discardContents([content.contentId]);
    return replaced;
  }

  findContent(jobId: string): Promise<JobResult | null> {
    return this.results.findOneBy({ jobId });
  }

  /** The gzip stream, read as fast as it is consumed. Throws if retention deleted a chunk meanwhile. */
  async *readContent({
    contentId,
    storedBytes,
  }: Pick<JobResult, 'contentId' | 'storedBytes'>): AsyncGenerator<Buffer> {
    let left = Number(storedBytes);
    for (let seq = 0; left > 0; seq++) {
      const chunk = await this.chunks.findOneBy({ contentId, seq });
      if (chunk === null) throw new Error('a stored result is incomplete');
      left -= chunk.bytes.length;
      yield chunk.bytes;
    }
  }
}

/** A job may have got them by a statement whose answer was lost. */
const DISCARD = {
  name: 'results-discard',
  text: `
  DELETE FROM result_chunks AS chunk
   WHERE content_id = ANY ($1::uuid[])
     AND NOT EXISTS (SELECT FROM job_results WHERE content_id = chunk.content_id)
     AND NOT EXISTS (SELECT FROM job_files WHERE content_id = chunk.content_id)`,
};

async function* gunzipped(
  compressed: Iterable<Buffer> | AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const source = Readable.from(compressed, { objectMode: false });
  const plain = createGunzip();
  source.on('error', (error) => plain.destroy(error));
  try {
    yield* source.pipe(plain) as AsyncIterable<Buffer>;
  } finally {
    source.destroy();
    plain.destroy();
  }
}

async function* withEdits(
  bytes: AsyncIterable<Buffer>,
  edits: readonly ContentEdit[],
): AsyncGenerator<Buffer> {
  let offset = 0;
  let next = 0;
  /** End of the bytes that the last edit replaced. */
  let replacedTo = 0;
  for await (const chunk of bytes) {
    const end = offset + chunk.length;
    let at = Math.max(offset, replacedTo);
    for (let edit = edits[next]; edit !== undefined && edit.start < end; edit = edits[next]) {
      if (edit.start > at) yield chunk.subarray(at - offset, edit.start - offset);
      yield edit.replacement;
      replacedTo = edit.end;
      at = Math.max(at, replacedTo);
      next += 1;
    }
    if (at < end) yield chunk.subarray(at - offset);
    offset = end;
  }
}

function smallContent(content: Buffer): NewContent {
  const bytes = gzipSync(content, SMALL_COMPRESSION);
  return {
    contentId: timeOrderedId(),
    sha256: createHash('sha256').update(content).digest('hex'),
    sizeBytes: String(content.length),
    storedBytes: String(bytes.length),
    bytes,
  };
}

async function* resumed(
  beginning: readonly Buffer[],
  rest: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  yield* beginning;
  yield* { [Symbol.asyncIterator]: () => rest };
}

async function* inChunks(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let length = 0;
  for await (const part of bytes) {
    waiting.push(part);
    length += part.length;
    if (length < CHUNK_BYTES) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(waiting);
}
