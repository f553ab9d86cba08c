import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { JobResult } from './job-result.entity.js';
import { ResultChunk } from './result-chunk.entity.js';

/** A stored result that belongs to no job yet. */
export type StoredContent = Pick<JobResult, 'contentId' | 'sha256' | 'sizeBytes' | 'storedBytes'>;

const CHUNK_BYTES = 256 * 1024;

/** Stores results as gzip streams in chunks, written and read one at a time to bound memory. */
@Injectable()
export class ResultStore {
  constructor(
    @InjectRepository(JobResult) private readonly results: Repository<JobResult>,
    @InjectRepository(ResultChunk) private readonly chunks: Repository<ResultChunk>,
  ) {}

  /** Compresses and stores `content`. On an error it deletes the written chunks and rethrows. */
  async writeContent(content: AsyncIterable<Buffer>): Promise<StoredContent> {
    const contentId = uuidv7();
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
      await this.discardContent(contentId).catch(() => undefined);
      throw error;
    }
    return {
      contentId,
      sha256: hash.digest('hex'),
      sizeBytes: String(size),
      storedBytes: String(stored),
    };
  }

  /** Makes `content` the result of a job. */
  async attachContent(
    manager: EntityManager,
    jobId: string,
    content: StoredContent,
  ): Promise<void> {
    await manager.insert(JobResult, { jobId, ...content });
  }

  async discardContent(contentId: string): Promise<void> {
    await this.chunks.delete({ contentId });
  }

  findContent(jobId: string): Promise<JobResult | null> {
    return this.results.findOneBy({ jobId });
  }

  /** The gzip stream, read as fast as it is consumed. Throws if retention deleted a chunk meanwhile. */
  async *readContent({ contentId, storedBytes }: StoredContent): AsyncGenerator<Buffer> {
    let left = Number(storedBytes);
    for (let seq = 0; left > 0; seq++) {
      const chunk = await this.chunks.findOneBy({ contentId, seq });
      if (chunk === null) throw new Error('a stored result is incomplete');
      left -= chunk.bytes.length;
      yield chunk.bytes;
    }
  }
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
