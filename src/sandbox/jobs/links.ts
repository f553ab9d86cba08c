import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { storageError } from '../api-error.js';

/** Presigned links, as in object storage: valid for a limited time, without an API key. */
export class Links {
  readonly #key = randomBytes(32);

  constructor(private readonly now: () => number) {}

  /** `path` has no leading slash. */
  make(base: string, path: string, ttlMs: number): string {
    const expires = String(Math.round(this.now() + ttlMs));
    const query = new URLSearchParams({ expires, signature: this.#sign(path, expires) });
    return `${base}/${path}?${query.toString()}`;
  }

  /** Throws a storage error if the link is not valid. */
  check(
    path: string,
    query: { expires?: string; signature?: string },
    expiredStatus: '403' | '404' = '403',
  ): void {
    const { expires = '', signature = '' } = query;
    const expected = Buffer.from(this.#sign(path, expires));
    const given = Buffer.from(signature);
    if (expected.length !== given.length || !timingSafeEqual(expected, given)) {
      throw storageError(403, 'SignatureDoesNotMatch', 'The signature does not match.');
    }
    if (Number(expires) <= this.now()) throw expiredLink(expiredStatus);
  }

  #sign(path: string, expires: string): string {
    return createHmac('sha256', this.#key).update(`${path}/${expires}`).digest('hex');
  }
}

export function expiredLink(status: '403' | '404'): Error {
  return status === '404'
    ? storageError(404, 'NoSuchKey', 'The specified key does not exist.')
    : storageError(403, 'AccessDenied', 'Request has expired');
}
