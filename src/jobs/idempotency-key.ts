import { GatewayError } from '../platform/errors/error-codes.js';

/** Reads the header `Idempotency-Key`: 1 to 255 printable ASCII characters; `null` where it is absent. */
export function readIdempotencyKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(header)) {
    throw new GatewayError(
      'invalid_query',
      'Idempotency-Key must be 1 to 255 printable ASCII characters.',
    );
  }
  return header;
}
