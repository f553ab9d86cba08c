import { Worker } from 'node:worker_threads';
import { DocumentError, Page } from './document.js';
import type { PdfReply, PdfRequest } from './pdf.worker.js';

interface Waiting {
  resolve(pages: Page[]): void;
  reject(error: Error): void;
}

/** The worker runs from the same kind of file as this one: .ts in development, .js when built. */
const workerUrl = new URL(
  `./pdf.worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
  import.meta.url,
);

/** Page texts of PDFs, read by one worker thread that starts with the first document. */
export class PdfReader {
  #worker: Worker | undefined;
  #nextId = 1;
  readonly #waiting = new Map<number, Waiting>();

  read(path: string): Promise<Page[]> {
    const worker = this.#start();
    const request: PdfRequest = { id: this.#nextId++, path };
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage(request);
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #start(): Worker {
    if (this.#worker) return this.#worker;
    // No inherited execArgv: the loaders of a test runner have no business in this thread.
    const worker = new Worker(workerUrl, { execArgv: [] });
    worker.unref();
    worker.on('message', (reply: PdfReply) => this.#settle(reply));
    worker.on('error', (error) => this.#lost(worker, error));
    worker.on('exit', () => this.#lost(worker, new Error('The PDF reader has ended')));
    this.#worker = worker;
    return worker;
  }

  #settle(reply: PdfReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('pages' in reply) waiting?.resolve(reply.pages);
    else waiting?.reject(documentError(reply.error));
  }

  /** A PDF that kills the thread fails the jobs that wait for it; the next one gets a new thread. */
  #lost(worker: Worker, error: Error): void {
    if (this.#worker === worker) this.#worker = undefined;
    for (const waiting of this.#waiting.values()) waiting.reject(documentError(error));
    this.#waiting.clear();
  }
}

/** The names are real ones (fact sheet 7.4), their HTTP codes those of section 7.3. */
function documentError({ name, message }: { name: string; message: string }): DocumentError {
  return name === 'PasswordException'
    ? new DocumentError('DOCUMENT_PASSWORD_PROTECTED', 442, 'The document needs a password')
    : new DocumentError('DOCUMENT_CORRUPT', 415, `The PDF could not be read: ${message}`);
}
