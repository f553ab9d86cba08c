import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import { collectYoungGarbage } from '../../platform/collect-garbage.js';
import { Settings } from '../../platform/config/settings.js';
import { ResultDownload } from '../../reducto/result-download.js';
import { ResultDownloadError } from '../../reducto/result-download-error.js';
import type { ResultLink } from '../results/result-content.js';
import { ResultStore } from '../results/result.store.js';
import { fileTypeOf } from './file-type.js';
import { JobFileStore, type NewFile } from './job-file.store.js';
import type { MissingFile } from './missing-file.js';
import { wantedFiles, type WantedFile } from './wanted-files.js';

/** Concurrent downloads for one job, and for all jobs of a process. */
const PER_JOB = 4;
const PER_PROCESS = 12;

/** Bounds the memory for files of jobs whose other files are missing. */
const MAX_REMEMBERED_FILES = 50_000;

/** The files behind the links of a result. */
export interface FetchedFiles {
  /** By the URL of the link. */
  readonly files: ReadonlyMap<string, NewFile>;
  /** The same files by what identifies them in another result of the job. */
  readonly byKey: ReadonlyMap<string, NewFile>;
  readonly missing: readonly MissingFile[];
  /** Whether a further attempt may fetch one that is missing. */
  readonly mayHelpToRetry: boolean;
}

/**
 * Downloads the files that a result links to, a few at a time, straight into the database. Remembers the files of a job
 * until all of them are there, so that another attempt downloads only those that are missing.
 */
@Injectable()
export class FileFetcher {
  private readonly ofProcess = pLimit(PER_PROCESS);
  private readonly remembered: LRUCache<string, Map<string, NewFile>>;

  constructor(
    private readonly settings: Settings,
    private readonly download: ResultDownload,
    private readonly store: JobFileStore,
    private readonly results: ResultStore,
  ) {
    this.remembered = new LRUCache({
      maxSize: MAX_REMEMBERED_FILES,
      sizeCalculation: (files) => files.size + 1,
      ttl: 2000 * (settings.RESULT_GRACE_SECONDS + settings.RESULT_TIMEOUT_SECONDS),
    });
  }

  /** The files belong to the caller. Throws only errors of the database. */
  async fetchFiles(jobId: string, links: readonly ResultLink[]): Promise<FetchedFiles> {
    const before = this.remembered.get(jobId) ?? new Map<string, NewFile>();
    // Only one attempt may own them: it may discard them.
    this.remembered.delete(jobId);
    const wanted = wantedFiles(links);
    const attempt = new Attempt(this.settings, this.download.deadline());
    const known = new Map<string, NewFile>();
    for (const { key } of wanted) {
      const file = before.get(key);
      if (file === undefined) continue;
      known.set(key, file);
      attempt.countBytes(Number(file.sizeBytes));
    }
    const failed = new Map<WantedFile, ResultDownloadError>();
    try {
      const first = wanted.filter(({ key }) => !known.has(key));
      await this.fetchAll(first, attempt, known, failed);
      // A link that has expired needs another poll.
      const again = [...failed].filter(([, error]) => isTransient(error)).map(([file]) => file);
      await this.fetchAll(again, attempt, known, failed);
    } catch (error) {
      this.rememberFiles(jobId, known);
      throw error;
    }
    const used = new Set(known.values());
    const dropped = [...before.values()].filter((file) => !used.has(file));
    await this.results.discardContents(dropped.map(({ contentId }) => contentId));
    const files = new Map(
      wanted.flatMap(({ url, key }) => {
        const file = known.get(key);
        return file === undefined ? [] : [[url, file] as const];
      }),
    );
    return {
      files,
      byKey: known,
      missing: [...failed].map(([{ stem }, { message }]) => ({ name: stem, reason: message })),
      mayHelpToRetry: [...failed.values()].some(({ isFinal }) => !isFinal),
    };
  }

  /** Leaves the files to the next attempt, if this process makes it. */
  rememberFiles(jobId: string, byKey: ReadonlyMap<string, NewFile>): void {
    if (byKey.size === 0) return;
    this.remembered.set(jobId, new Map([...(this.remembered.get(jobId) ?? []), ...byKey]));
  }

  private async fetchAll(
    wanted: readonly WantedFile[],
    attempt: Attempt,
    known: Map<string, NewFile>,
    failed: Map<WantedFile, ResultDownloadError>,
  ): Promise<void> {
    const limit = pLimit(PER_JOB);
    const outcomes = await Promise.allSettled(
      wanted.map((file) =>
        limit(() =>
          this.ofProcess(async () => {
            try {
              known.set(file.key, await this.fetchFile(file, attempt));
              failed.delete(file);
            } catch (error) {
              if (!(error instanceof ResultDownloadError)) throw attempt.stop(error);
              failed.set(file, error);
            }
          }),
        ),
      ),
    );
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  private async fetchFile({ url, stem }: WantedFile, attempt: Attempt): Promise<NewFile> {
    const deadline = attempt.deadlineOfFile();
    const { contentType, bytes } = await this.download.openFile(url, deadline);
    const type = fileTypeOf(contentType, url);
    const stored = await this.store.writeBytes(collectYoungGarbage(attempt.limited(bytes)));
    return { ...stored, name: `${stem}.${type.extension}`, contentType: type.contentType };
  }
}

/** The limits that the files of a result share. */
class Attempt {
  private readonly failure = new AbortController();
  private bytes = 0;

  constructor(
    private readonly settings: Settings,
    private readonly deadline: AbortSignal,
  ) {}

  deadlineOfFile(): AbortSignal {
    const ofFile = AbortSignal.timeout(this.settings.RESULT_FILE_TIMEOUT_SECONDS * 1000);
    return AbortSignal.any([this.deadline, this.failure.signal, ofFile]);
  }

  /** Ends all downloads, because the database refuses the files. */
  stop(error: unknown): unknown {
    this.failure.abort();
    return error;
  }

  countBytes(size: number): void {
    this.bytes += size;
  }

  /** Passes bytes on. Throws if the file, or all files together, are too large. */
  async *limited(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const { RESULT_FILE_MAX_BYTES: ofFile, RESULT_FILES_TOTAL_MAX_BYTES: ofAll } = this.settings;
    let size = 0;
    try {
      for await (const part of bytes) {
        size += part.length;
        this.bytes += part.length;
        if (size > ofFile) {
          throw tooLarge(`the file is larger than RESULT_FILE_MAX_BYTES (${ofFile})`);
        }
        if (this.bytes > ofAll) {
          throw tooLarge(
            `the files are larger together than RESULT_FILES_TOTAL_MAX_BYTES (${ofAll})`,
          );
        }
        yield part;
      }
    } catch (error) {
      this.bytes -= size;
      throw error;
    }
  }
}

function isTransient({ isFinal, status }: ResultDownloadError): boolean {
  return !isFinal && (status === undefined || status >= 500 || status === 429);
}

function tooLarge(message: string): ResultDownloadError {
  return new ResultDownloadError(message, { isFinal: true });
}
