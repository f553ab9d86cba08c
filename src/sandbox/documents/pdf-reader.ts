import { Worker } from 'node:worker_threads';
import { DocumentError, Page } from './document.js';
import type { PdfReply, PdfRequest } from './pdf.worker.js';

interface PendingRead {
  resolve(pages: Page[]): void;
  reject(error: Error): void;
}

/** The worker file has the extension of this file: .ts in development, .js in the build. */
const workerUrl = new URL(
  `./pdf.worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
  import.meta.url,
);

/** Reads the pages of PDFs in one worker thread, which starts with the first document. */
export class PdfReader {
  #worker: Worker | undefined;
  #nextId = 1;
  readonly #pending = new Map<number, PendingRead>();

  read(path: string): Promise<Page[]> {
    const worker = this.#start();
    const request: PdfRequest = { id: this.#nextId++, path };
    return new Promise((resolve, reject) => {
      this.#pending.set(request.id, { resolve, reject });
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
    // No inherited execArgv: the loaders of a test runner must not run in this thread.
    const worker = new Worker(workerUrl, { execArgv: [] });
    worker.unref();
    worker.on('message', (reply: PdfReply) => this.#handleReply(reply));
    worker.on('error', (error) => this.#rejectPending(worker, error));
    worker.on('exit', () => this.#rejectPending(worker, new Error('the PDF worker thread exited')));
    this.#worker = worker;
    return worker;
  }

  #handleReply(reply: PdfReply): void {
    const read = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ('pages' in reply) read?.resolve(reply.pages);
    else read?.reject(documentError(reply.error));
  }

  /** A PDF that crashes the thread fails all pending reads; the next read starts a new thread. */
  #rejectPending(worker: Worker, error: Error): void {
    if (this.#worker === worker) this.#worker = undefined;
    for (const read of this.#pending.values()) read.reject(documentError(error));
    this.#pending.clear();
  }
}

/** Names: fact sheet 7.4. HTTP codes: section 7.3. */
function documentError({ name, message }: { name: string; message: string }): DocumentError {
  return name === 'PasswordException'
    ? new DocumentError('DOCUMENT_PASSWORD_PROTECTED', 442, 'The document needs a password')
    : new DocumentError('DOCUMENT_CORRUPT', 415, `The PDF could not be read: ${message}`);
}
