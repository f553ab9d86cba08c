import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import type { ByteRange } from '../../platform/http/byte-range.js';
import { timeOrderedId } from '../../platform/time-ordered-id.js';
import { ResultChunk } from '../results/result-chunk.entity.js';
import { ResultStore } from '../results/result.store.js';
import { JobFile } from './job-file.entity.js';

/** Bytes that were stored and belong to no job yet. */
export type NewBytes = Pick<JobFile, 'contentId' | 'sha256' | 'sizeBytes'>;

/** A file that was stored and belongs to no job yet. */
export type NewFile = NewBytes & Pick<JobFile, 'name' | 'contentType'>;

/** Size of every chunk except the last one. */
const CHUNK_BYTES = 256 * 1024;

/** Stores files in chunks, written and read one at a time to bound memory. */
@Injectable()
export class JobFileStore {
  constructor(
    @InjectRepository(JobFile) private readonly files: Repository<JobFile>,
    @InjectRepository(ResultChunk) private readonly chunks: Repository<ResultChunk>,
    private readonly results: ResultStore,
  ) {}

  /** Stores the bytes of a file. On an error it deletes the written chunks and rethrows. */
  async writeBytes(bytes: AsyncIterable<Buffer>): Promise<NewBytes> {
    const contentId = timeOrderedId();
    const hash = createHash('sha256');
    let size = 0;
    let seq = 0;
    try {
      for await (const chunk of inChunks(bytes)) {
        hash.update(chunk);
        size += chunk.length;
        await this.chunks.insert({ contentId, seq, bytes: chunk });
        seq += 1;
      }
    } catch (error) {
      if (seq > 0) await this.results.discardContents([contentId]).catch(() => undefined);
      throw error;
    }
    return { contentId, sha256: hash.digest('hex'), sizeBytes: String(size) };
  }

  listFiles(jobId: string): Promise<JobFile[]> {
    return this.files.find({ where: { jobId }, order: { name: 'ASC' } });
  }

  findFile(jobId: string, name: string): Promise<JobFile | null> {
    return this.files.findOneBy({ jobId, name });
  }

  /** Bytes of a file, read as fast as they are consumed. Throws if retention deleted a chunk meanwhile. */
  async *readBytes({ contentId }: JobFile, { start, end }: ByteRange): AsyncGenerator<Buffer> {
    const first = Math.floor(start / CHUNK_BYTES);
    const last = Math.floor(end / CHUNK_BYTES);
    for (let seq = first; seq <= last; seq++) {
      const chunk = await this.chunks.findOneBy({ contentId, seq });
      if (chunk === null) throw new Error('a stored file is incomplete');
      const offset = seq * CHUNK_BYTES;
      yield chunk.bytes.subarray(Math.max(start - offset, 0), end + 1 - offset);
    }
  }
}

async function* inChunks(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let length = 0;
  for await (let part of bytes) {
    while (length + part.length >= CHUNK_BYTES) {
      const rest = CHUNK_BYTES - length;
      yield Buffer.concat([...waiting, part.subarray(0, rest)]);
      part = part.subarray(rest);
      waiting = [];
      length = 0;
    }
    if (part.length > 0) waiting.push(part);
    length += part.length;
  }
  if (length > 0) yield Buffer.concat(waiting);
}
