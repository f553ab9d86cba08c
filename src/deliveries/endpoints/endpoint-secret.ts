import { randomBytes } from 'node:crypto';

const SECRET_BYTES = 32;

/** A signing secret of Standard Webhooks. */
export function newSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
}

/** The health of a new endpoint. */
export const HEALTHY = {
  previousSecret: null,
  previousSecretUntil: null,
  failingSince: null,
  consecutiveFailures: 0,
  pausedUntil: null,
  lastSuccessAt: null,
  lastFailureAt: null,
  nextSendAt: null,
} as const;

/** Where the secrets of an endpoint are stored, for `DataCipher`. */
export const rowOf = (endpointId: string): string => `endpoints/${endpointId}`;
