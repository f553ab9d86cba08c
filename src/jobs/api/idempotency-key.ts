import { ApiHeader } from '@nestjs/swagger';
import { GatewayError } from '../../platform/errors/error-codes.js';

export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

export const IDEMPOTENCY_KEY_RULE = 'must be 1 to 255 printable ASCII characters without spaces';

/** Documents the header `Idempotency-Key`. */
export const ApiIdempotencyKey = (description: string): MethodDecorator =>
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    schema: { type: 'string', pattern: IDEMPOTENCY_KEY.source, example: 'invoice-2026-0815' },
    description,
  });

/** Reads the header `Idempotency-Key`: 1 to 255 printable ASCII characters; `null` if it is absent. */
export function readIdempotencyKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header !== 'string' || !IDEMPOTENCY_KEY.test(header)) {
    throw new GatewayError('invalid_idempotency_key', `Idempotency-Key ${IDEMPOTENCY_KEY_RULE}.`);
  }
  return header;
}
