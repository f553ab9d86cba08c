import { randomBytes } from 'node:crypto';

const SECRET_BYTES = 32;

/** A signing secret of Standard Webhooks. */
export function newSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
}

/** Where the secrets of an endpoint are stored, for `DataCipher`. */
export const rowOf = (endpointId: string): string => `endpoints/${endpointId}`;
