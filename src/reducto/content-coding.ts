import { pipeline, type Duplex, type Readable } from 'node:stream';
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
} from 'node:zlib';

/** Rejects bytes after the end of the stream, too. */
const STRICT = { rejectGarbageAfterEnd: true };

const DECODERS = new Map<string, () => Duplex>([
  // Gzip may have several members (RFC 1952), which `STRICT` takes for bytes after the end. Without it, other bytes
  // are an error all the same, apart from padding with zeros.
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  ['deflate', () => createInflate(STRICT)],
  ['br', () => createBrotliDecompress(STRICT)],
  ['zstd', () => createZstdDecompress(STRICT)],
]);

/** Limits memory: each decoder has a window. */
const MAX_CODINGS = 3;

/** Decodes `body` by its `Content-Encoding`. An unknown coding stays. */
export function decodeContent(body: Readable, codings: string | string[] | undefined): Readable {
  if (codings === undefined) return body;
  const names = String(codings).toLowerCase().split(',');
  if (names.length > MAX_CODINGS) {
    body.on('error', () => undefined).destroy();
    const error = new Error('the answer has too many content codings');
    throw Object.assign(error, { code: 'TOO_MANY_CODINGS' });
  }
  return names.reduceRight<Readable>((coded, name) => {
    const decoder = DECODERS.get(name.trim())?.();
    // An error of any stream reaches the reader of the last one.
    return decoder === undefined ? coded : pipeline(coded, decoder, () => undefined);
  }, body);
}
