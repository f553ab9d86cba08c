import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { storageError } from '../api-error.js';

export type LinkKind = 'results' | 'documents' | 'presigned';

/** Presigned links, as in object storage: valid for a limited time, without an API key. */
export class Links {
  readonly #key = randomBytes(32);

  constructor(private readonly now: () => number) {}

  make(base: string, kind: LinkKind, id: string, ttlMs: number): string {
    const expires = String(Math.round(this.now() + ttlMs));
    const query = new URLSearchParams({ expires, signature: this.#sign(kind, id, expires) });
    return `${base}/${kind}/${id}?${query.toString()}`;
  }

  /** Throws a storage error if the link is not valid. */
  check(kind: LinkKind, id: string, query: { expires?: string; signature?: string }): void {
    const { expires = '', signature = '' } = query;
    const expected = Buffer.from(this.#sign(kind, id, expires));
    const given = Buffer.from(signature);
    if (expected.length !== given.length || !timingSafeEqual(expected, given)) {
      throw storageError(403, 'SignatureDoesNotMatch', 'The signature does not match.');
    }
    if (Number(expires) <= this.now()) throw expiredLink();
  }

  #sign(kind: LinkKind, id: string, expires: string): string {
    return createHmac('sha256', this.#key).update(`${kind}/${id}/${expires}`).digest('hex');
  }
}

export function expiredLink(): Error {
  return storageError(403, 'AccessDenied', 'Request has expired');
}
