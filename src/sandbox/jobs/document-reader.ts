import { open, readFile } from 'node:fs/promises';
import { request } from 'undici';
import { DocumentError, Page, ReadDocument } from '../documents/document.js';
import { Job } from './job.js';
import { InputReference, inputsOf } from './job-input.js';
import { JobStore } from './job-store.js';
import { readPdfText } from '../documents/pdf-reader.js';
import { StoredFile, UploadStore } from '../documents/upload-store.js';

const MAX_TEXT_BYTES = 16 * 1024 * 1024;
const MAX_FETCH_BYTES = 32 * 1024 * 1024;
const FETCH_TIMEOUT_MS = 10_000;

/** Reads the pages of a job's input documents. */
export class DocumentReader {
  /** By path, so that many jobs on one upload read it once. */
  readonly #pages = new Map<string, Promise<Page[]>>();

  constructor(
    private readonly uploads: UploadStore,
    private readonly jobs: JobStore,
    private readonly now: () => number,
  ) {}

  /** Reads all inputs of the job in order and numbers their pages consecutively. */
  async read(job: Job): Promise<ReadDocument> {
    const documents: ReadDocument[] = [];
    for (const input of inputsOf(job.body)) documents.push(await this.#readInput(input));
    const pages = documents.flatMap((document) => document.pages);
    return {
      pages: pages.map((page, index) => ({ ...page, number: index + 1 })),
      file: documents[0]?.file,
    };
  }

  async #readInput(input: InputReference): Promise<ReadDocument> {
    switch (input.kind) {
      case 'upload': {
        const file = this.uploads.find(input.reference, this.now())?.file;
        if (!file) {
          const message = `File not found: ${input.reference}`;
          throw new DocumentError('INVALID_CONFIG', 400, message);
        }
        return { pages: await this.#readFile(file), file };
      }
      case 'job':
        return this.#readEarlierJob(input.jobId);
      case 'loopback':
        return this.#fetch(input.url);
      case 'remote':
        return { pages: syntheticPages(input.url), file: undefined };
      case 'invalid':
      default:
        throw new DocumentError('INVALID_CONFIG', 400, `Not a document reference: ${input.text}`);
    }
  }

  /** `jobid://` reuses the pages of the earlier job and ignores the options of the new one. */
  #readEarlierJob(jobId: string): ReadDocument {
    const earlier = this.jobs.find(jobId);
    if (!earlier) throw new DocumentError('NOT_FOUND', 404, `Job ${jobId} was not found`);
    if (!earlier.document) {
      throw new DocumentError('JOB_NOT_COMPLETE', 409, `Job ${jobId} has no result`);
    }
    return earlier.document;
  }

  async #readFile(file: StoredFile): Promise<Page[]> {
    const known = this.#pages.get(file.path);
    if (known) return known;
    const pages = readPages(file);
    this.#pages.set(file.path, pages);
    return pages;
  }

  /** Only loopback addresses are fetched: the sandbox must work without a network. */
  async #fetch(url: string): Promise<ReadDocument> {
    try {
      const signal = AbortSignal.timeout(FETCH_TIMEOUT_MS);
      const response = await request(url, { signal });
      if (response.statusCode !== 200) throw new Error(`it answered ${response.statusCode}`);
      const file = await this.uploads.save(response.body, MAX_FETCH_BYTES);
      return { pages: await this.#readFile(file), file };
    } catch (error) {
      if (error instanceof DocumentError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new DocumentError('INVALID_CONFIG', 400, `The document could not be fetched: ${why}`);
    }
  }
}

async function readPages(file: StoredFile): Promise<Page[]> {
  if (file.bytes === 0) throw new DocumentError('DOCUMENT_EMPTY', 422, 'The document is empty');
  if (await isPdf(file)) return pagesOf(await readPdfText(file.path), /\n/u);
  if (file.bytes > MAX_TEXT_BYTES) {
    throw new DocumentError('DOCUMENT_TOO_LARGE', 413, 'The text file is too large');
  }
  return textPages(await readFile(file.path));
}

export async function isPdf({ path }: StoredFile): Promise<boolean> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(5), 0, 5, 0);
    return buffer.subarray(0, bytesRead).toString('latin1') === '%PDF-';
  } finally {
    await handle.close();
  }
}

/** Form feeds separate pages, blank lines separate blocks. */
function textPages(bytes: Buffer): Page[] {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new DocumentError('DOCUMENT_CORRUPT', 415, 'The document is neither PDF nor text');
  }
  if (text.includes('\0')) {
    throw new DocumentError('DOCUMENT_CORRUPT', 415, 'The document is neither PDF nor text');
  }
  return pagesOf(text.split('\f'), /\n\s*\n/u);
}

function pagesOf(texts: readonly string[], between: RegExp): Page[] {
  return texts.map((text, index) => ({
    number: index + 1,
    blocks: stack(text.split(between).map((part) => part.trim())),
  }));
}

/** A page that cannot be mistaken for the content of the document. */
function syntheticPages(url: string): Page[] {
  const lines = [
    'Synthetic document',
    `Source: ${url}`,
    'The sandbox does not fetch remote documents. This text replaces the document.',
  ];
  return [{ number: 1, blocks: stack(lines) }];
}

function stack(parts: readonly string[]): Page['blocks'] {
  const contents = parts.filter((part) => part !== '');
  const height = Math.round(10_000 / Math.max(1, contents.length)) / 10_000;
  return contents.map((content, index) => ({
    type: 'Text',
    content,
    bbox: { left: 0, top: Math.min(1, index * height), width: 1, height },
  }));
}
