/** Seconds after each failed attempt, after which the next one follows: eight attempts within 28 hours. */
export const RETRY_SCHEDULE = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];

/** Retries are up to this part later, so that failed deliveries do not return at the same moment. */
const JITTER = 0.1;
/** Longest `Retry-After` that delays one delivery, and the longest that pauses its endpoint. */
const MAX_RETRY_AFTER_SECONDS = 43_200;
const MAX_PAUSE_SECONDS = 300;

/** What an attempt came to. */
export interface AttemptAnswer {
  /** Null without an answer. */
  readonly status: number | null;
  readonly retryAfterSeconds?: number | undefined;
}

/** What becomes of a delivery. */
export type Outcome =
  | { readonly kind: 'delivered' }
  | {
      readonly kind: 'retry';
      readonly seconds: number;
      /** For how long the endpoint gets nothing, because it asked for it. */
      readonly pauseSeconds: number;
    }
  | { readonly kind: 'failed'; readonly pauseSeconds: number }
  /** The receiver wants no more events. */
  | { readonly kind: 'gone' };

/**
 * Decides after an attempt. `failures`: failed attempts of this schedule before it. Success is 2xx; a redirect is a failure,
 * because it is not followed.
 */
export function decide(
  { status, retryAfterSeconds = 0 }: AttemptAnswer,
  failures: number,
  schedule: readonly number[],
  random: () => number = Math.random,
): Outcome {
  if (status !== null && status >= 200 && status < 300) return { kind: 'delivered' };
  if (status === 410) return { kind: 'gone' };
  const throttles = status === 429 || status === 503;
  const pauseSeconds = throttles ? Math.min(retryAfterSeconds, MAX_PAUSE_SECONDS) : 0;
  const regular = schedule[failures];
  if (regular === undefined) return { kind: 'failed', pauseSeconds };
  const jittered = regular * (1 + JITTER * random());
  return {
    kind: 'retry',
    seconds: Math.max(jittered, Math.min(retryAfterSeconds, MAX_RETRY_AFTER_SECONDS)),
    pauseSeconds,
  };
}
