import { readFile } from 'node:fs/promises';
import { parentPort } from 'node:worker_threads';
import { getDocumentProxy } from 'unpdf';
import type { Page } from './document.js';

/*
 * Reads PDFs on a separate thread, so that a large document does not block the sandbox's responses.
 * Node runs the .ts file in development and in tests, and the .js file in the build. An import must
 * name the extension on disk: hence the dynamic import, and type-only imports otherwise.
 */
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const { layOut }: typeof import('./pdf-layout.js') = await import(`./pdf-layout.${extension}`);

export interface PdfRequest {
  id: number;
  path: string;
}

export type PdfReply =
  { id: number; pages: Page[] } | { id: number; error: { name: string; message: string } };

parentPort?.on('message', (request: PdfRequest) => {
  void answer(request);
});

async function answer({ id, path }: PdfRequest): Promise<void> {
  try {
    reply({ id, pages: await readPages(path) });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    reply({ id, error: { name, message } });
  }
}

function reply(message: PdfReply): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(message);
}

async function readPages(path: string): Promise<Page[]> {
  const document = await getDocumentProxy(new Uint8Array(await readFile(path)), { verbosity: 0 });
  try {
    const pages: Page[] = [];
    for (let number = 1; number <= document.numPages; number++) {
      const page = await document.getPage(number);
      const { width, height } = page.getViewport({ scale: 1 });
      const { items } = await page.getTextContent();
      const runs = items.flatMap((item) => {
        if (!('str' in item)) return [];
        // A transform is [a, b, c, d, e, f]; e and f place the baseline, d is the font size.
        const [, , , size, x, y] = item.transform.map(Number);
        return [
          { text: item.str, x: x ?? 0, y: y ?? 0, width: item.width, size: Math.abs(size ?? 0) },
        ];
      });
      pages.push({ number, blocks: layOut(runs, { width, height }) });
      page.cleanup();
    }
    return pages;
  } finally {
    await document.loadingTask.destroy();
  }
}
