import { Injectable } from '@nestjs/common';
import { collectYoungGarbage } from '../../platform/collect-garbage.js';
import { Settings } from '../../platform/config/settings.js';
import { inSpan } from '../../platform/tracing/spans.js';
import { ResultDownload } from '../../reducto/result-download.js';
import { ResultDownloadError } from '../../reducto/result-download-error.js';
import { FileFetcher, type FetchedFiles } from '../files/file-fetcher.js';
import { fileAddress } from '../files/file-links.js';
import type { NewFile } from '../files/job-file.store.js';
import { MAX_MISSING_FILES, type MissingFile } from '../files/missing-file.js';
import { isSigned, MAX_LINKS } from '../files/wanted-files.js';
import type { JobType } from '../job-type.js';
import { resultContent, type ResultLink } from './result-content.js';
import { resultDocument, type JobIds } from './result-document.js';
import { ResultStore, type NewContent } from './result.store.js';

/** A result that was stored and belongs to no job yet. */
export interface NewResult {
  readonly content: NewContent;
  readonly files: readonly NewFile[];
  readonly missingFiles: readonly MissingFile[];
}

/** A result with the links that Reducto wrote, and the files behind them. */
export interface FetchedResult extends FetchedFiles {
  readonly content: NewContent;
  readonly links: readonly ResultLink[];
  /** Links that the gateway does not know and that expire; they stay. */
  readonly unknownLinks: number;
}

const NO_FILES: FetchedFiles = {
  files: new Map(),
  byKey: new Map(),
  missing: [],
  mayHelpToRetry: false,
};

/** Fetches the result of a job, and the files that it links to. */
@Injectable()
export class ResultFetcher {
  constructor(
    private readonly settings: Settings,
    private readonly download: ResultDownload,
    private readonly results: ResultStore,
    private readonly files: FileFetcher,
  ) {}

  /** Throws `ResultDownloadError` if the result itself cannot be fetched. */
  async fetchResult(type: JobType, ids: JobIds, answer: Buffer | null): Promise<FetchedResult> {
    if (answer === null) throw new ResultDownloadError('Reducto’s answer holds no result');
    const document = await resultDocument(type, answer, ids);
    const deadline = this.download.deadline();
    const download = (url: string): AsyncIterable<Buffer> => this.download.read(url, deadline);
    const links: ResultLink[] = [];
    let unknownLinks = 0;
    let furtherLinks = 0;
    const onLink = (link: ResultLink): void => {
      if (!this.isFile(link)) {
        if (link.kind === 'attachment' || isSigned(link.link)) unknownLinks += 1;
      } else if (links.length < MAX_LINKS) links.push(link);
      else furtherLinks += 1;
    };
    const content = await inSpan('result fetch', {}, () =>
      this.results.writeContent(
        collectYoungGarbage(
          resultContent(document, download, ids, this.settings.RESULT_MAX_BYTES, onLink),
        ),
      ),
    );
    if (links.length === 0) return { ...NO_FILES, content, links, unknownLinks };
    try {
      const found = await inSpan('files fetch', {}, () => this.files.fetchFiles(ids.own, links));
      const missing = [...found.missing, ...(furtherLinks === 0 ? [] : [tooMany(furtherLinks)])];
      return { ...found, missing, content, links, unknownLinks };
    } catch (error) {
      await this.discardContent(content).catch(() => undefined);
      throw error;
    }
  }

  /** Replaces the links to the files by the gateway’s own. */
  async completeResult(jobId: string, fetched: FetchedResult): Promise<NewResult> {
    const { content, links, files, missing } = fetched;
    const missingFiles = missing.slice(0, MAX_MISSING_FILES);
    if (files.size === 0) return { content, files: [], missingFiles };
    const edits = links.flatMap(({ link, start, end }) => {
      const file = files.get(link);
      if (file === undefined) return [];
      const address = fileAddress(this.settings, jobId, file.name);
      return [{ start, end, replacement: Buffer.from(JSON.stringify(address)) }];
    });
    return {
      content: await this.results.replaceContent(content, edits),
      files: [...files.values()],
      missingFiles,
    };
  }

  /** Deletes a result that will be fetched again, and leaves its files to the next attempt. */
  async discardForRetry(jobId: string, { content, byKey }: FetchedResult): Promise<void> {
    this.files.rememberFiles(jobId, byKey);
    await this.discardContent(content);
  }

  /** Deletes a result whose job has failed, with its files. */
  async discardResult({ content, byKey }: FetchedResult): Promise<void> {
    await this.discardContent(content);
    await this.results.discardContents([...byKey.values()].map(({ contentId }) => contentId));
  }

  private async discardContent({ contentId, bytes }: NewContent): Promise<void> {
    if (bytes === null) await this.results.discardContents([contentId]);
  }

  /** Whether a link leads to a file that expires, as its place in the result or its query tells. */
  private isFile({ kind, link }: ResultLink): boolean {
    if (kind === 'unknown') return false;
    if (kind !== 'attachment') return true;
    const isTrusted = this.download.isTrusted(link);
    return isTrusted === true || (isTrusted === false && isSigned(link));
  }
}

function tooMany(furtherLinks: number): MissingFile {
  const reason = `the gateway follows at most ${MAX_LINKS} links of a result, which has ${furtherLinks} more`;
  return { name: 'others', reason };
}
