import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Transform, TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface StoredFile {
  path: string;
  bytes: number;
}

export interface Upload {
  id: string;
  /** `reducto://<uuid>[.ext]` */
  fileId: string;
  createdAt: number;
  /** Undefined until the bytes of a presigned upload have arrived. */
  file: StoredFile | undefined;
}

export class TooLargeError extends Error {}

/** Uploads expire after about a day, as other artifacts do (INFERRED). */
const UPLOAD_TTL_MS = 24 * 3_600_000;

/** Stores uploads on disk: a 90 MB document must not take 90 MB of memory. */
export class UploadStore {
  readonly #uploads = new Map<string, Upload>();
  #directory: Promise<string> | undefined;

  create(extension: string | undefined, now: number): Upload {
    const id = randomUUID();
    const suffix = /^\.?(?<name>[A-Za-z0-9]{1,10})$/u.exec(extension ?? '')?.groups?.['name'];
    const fileId = `reducto://${id}${suffix === undefined ? '' : `.${suffix}`}`;
    const upload: Upload = { id, fileId, createdAt: now, file: undefined };
    this.#uploads.set(id, upload);
    return upload;
  }

  /** Finds an upload by its id, with or without the scheme and the extension. */
  find(reference: string, now: number): Upload | undefined {
    const id = reference.replace(/^reducto:\/\//u, '').replace(/\.[^.]*$/u, '');
    const upload = this.#uploads.get(id);
    return upload && now - upload.createdAt < UPLOAD_TTL_MS ? upload : undefined;
  }

  /** Deletes an upload by its full id, with its file; returns false if it is unknown. */
  async delete(fileId: string, now: number): Promise<boolean> {
    const upload = this.find(fileId, now);
    if (upload?.fileId !== fileId) return false;
    this.#uploads.delete(upload.id);
    if (upload.file) await rm(upload.file.path, { force: true });
    return true;
  }

  all(): Upload[] {
    return [...this.#uploads.values()];
  }

  /**
   * Writes at most `limitBytes` of a stream to disk. The rest is read and discarded: otherwise a
   * client that is still sending would see a connection reset instead of the 413.
   */
  async save(source: Readable, limitBytes: number): Promise<StoredFile> {
    const path = join(await this.directory(), randomUUID());
    const limit = new ByteLimit(limitBytes);
    await pipeline(source, limit, createWriteStream(path));
    if (limit.bytes <= limitBytes) return { path, bytes: limit.bytes };
    await rm(path);
    throw new TooLargeError(`More than ${limitBytes} bytes`);
  }

  async close(): Promise<void> {
    this.#uploads.clear();
    const directory = this.#directory;
    this.#directory = undefined;
    if (directory) await rm(await directory, { recursive: true, force: true });
  }

  directory(): Promise<string> {
    this.#directory ??= mkdtemp(join(tmpdir(), 'reducto-sandbox-'));
    return this.#directory;
  }
}

class ByteLimit extends Transform {
  bytes = 0;

  constructor(private readonly limitBytes: number) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.bytes += chunk.length;
    done(null, this.bytes > this.limitBytes ? undefined : chunk);
  }
}
