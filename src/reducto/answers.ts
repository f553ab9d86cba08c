import type { UpstreamError } from './upstream-error.js';

/** What became of a submit. Only `deferred` may be sent again without asking first. */
export type SubmitAnswer =
  | { readonly kind: 'accepted'; readonly upstreamId: string }
  /** Reducto refused the request: no job exists and trying again will not help. */
  | { readonly kind: 'rejected'; readonly error: UpstreamError }
  /** It never reached Reducto, or Reducto said "not now": no job exists. */
  | {
      readonly kind: 'deferred';
      readonly error: UpstreamError;
      readonly retryAfterSeconds?: number;
    }
  /** It left, and no usable answer came back: a job may or may not exist. */
  | { readonly kind: 'unknown'; readonly error: UpstreamError };

/** Result of a poll. */
export type JobAnswer =
  | { readonly kind: 'open'; readonly progress: number | null }
  /** `result` as it is written, JSON in UTF-8; `null` where it is missing. */
  | { readonly kind: 'completed'; readonly result: Buffer | null }
  | { readonly kind: 'failed'; readonly error: UpstreamError }
  | { readonly kind: 'cancelled' }
  /** Reducto says that it has no such job (404, 410). */
  | { readonly kind: 'not_found'; readonly error: UpstreamError }
  /**
   * Reducto answered 200 with something that is no job. `aboutJob`: it shows that it is this job's answer, and
   * not what a proxy answers to every request.
   */
  | { readonly kind: 'unusable'; readonly error: UpstreamError; readonly aboutJob: boolean }
  /** No usable answer; says nothing about the job. */
  | {
      readonly kind: 'unavailable';
      readonly error: UpstreamError;
      readonly retryAfterSeconds?: number;
    }
  /** Reducto was not called: it is unavailable, or the rate limit is reached. */
  | { readonly kind: 'not_asked'; readonly retryAfterSeconds: number };

/** An answer, with the request as Reducto remembers it (as text), where the deployment shows that. */
export type PollAnswer = JobAnswer & { readonly rawConfig: string | null };

export interface ListedJob {
  readonly upstreamId: string;
  readonly status: string;
  readonly createdAt: Date | null;
  /** The request as Reducto remembers it, as text; `null` where the deployment does not show it. */
  readonly rawConfig: string | null;
}

export type ListAnswer =
  | {
      readonly kind: 'page';
      readonly jobs: readonly ListedJob[];
      readonly nextCursor: string | null;
    }
  /** This deployment has no listing. */
  | { readonly kind: 'unsupported' }
  | {
      readonly kind: 'unavailable';
      readonly error: UpstreamError;
      readonly retryAfterSeconds?: number;
    };

export type CancelAnswer =
  | { readonly kind: 'accepted' }
  /** It has ended, or Reducto does not know it, or will not cancel it: a poll tells. */
  | { readonly kind: 'refused'; readonly error: UpstreamError }
  | {
      readonly kind: 'unavailable';
      readonly error: UpstreamError;
      readonly retryAfterSeconds?: number;
    };
