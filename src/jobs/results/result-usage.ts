import { createGunzip } from 'node:zlib';
import { Readable } from 'node:stream';
import { JsonScanner } from '../../platform/json/json-scanner.js';
import { watchedPaths } from '../../platform/json/watched-paths.js';

const PAGES = watchedPaths({ 'usage.num_pages': 'pages' });

/** Reducto writes `usage` before the result. */
const MAX_BYTES = 65_536;

/** `usage.num_pages` of a result, given as a gzip stream; `undefined` if it is not near the beginning. */
export async function pagesOf(stored: AsyncIterable<Buffer>): Promise<number | undefined> {
  const source = Readable.from(stored, { objectMode: false });
  const plain = createGunzip();
  source.on('error', (error) => plain.destroy(error));
  source.pipe(plain);
  let start = Buffer.alloc(0);
  try {
    for await (const chunk of plain as AsyncIterable<Buffer>) {
      start = Buffer.concat([start, chunk]);
      if (start.length >= MAX_BYTES) break;
    }
  } finally {
    plain.destroy();
    source.destroy();
  }
  let pages: number | undefined;
  const scanner = new JsonScanner(PAGES, (_label, from, to) => {
    pages = Number(start.subarray(from, to).toString());
  });
  scanner.write(start.subarray(0, MAX_BYTES));
  return Number.isInteger(pages) ? pages : undefined;
}
