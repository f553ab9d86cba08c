import type { UpstreamError } from './upstream-error.js';

/** Outcome of a submit. Only `deferred` may be sent again without a search. */
export type SubmitAnswer =
  | { readonly kind: 'accepted'; readonly upstreamId: string }
  /** Reducto rejected the request: no job exists, and a retry does not help. */
  | { readonly kind: 'rejected'; readonly error: UpstreamError }
  /** The request was not sent, or Reducto deferred it: no job exists. */
  | {
      readonly kind: 'deferred';
      readonly error: UpstreamError;
      readonly retryAfterSeconds?: number;
    }
  /** The request was sent without a usable answer: a job may exist. */
  | { readonly kind: 'unknown'; readonly error: UpstreamError }
  /** This Reducto does not have the endpoint: no job exists. */
  | { readonly kind: 'no_endpoint'; readonly error: UpstreamError };

/** A 403 to a submit or a synchronous call that does not say whether it refuses the key or the job: no job exists. */
export interface Forbidden {
  readonly kind: 'forbidden';
  readonly call: 'submit' | 'classify';
  /** When the request began, by `performance.now()`. */
  readonly begin: number;
  readonly error: UpstreamError;
  readonly retryAfterSeconds?: number;
}

/** Outcome of a synchronous call, which runs the job. */
export type CallAnswer =
  | Exclude<SubmitAnswer, { readonly kind: 'no_endpoint' }>
  /** `result` is the whole answer: JSON in UTF-8. */
  | { readonly kind: 'completed'; readonly upstreamId: string; readonly result: Buffer }
  /** Reducto tried and failed. */
  | { readonly kind: 'failed'; readonly error: UpstreamError };

/** Result of a poll. */
export type JobAnswer =
  | { readonly kind: 'open'; readonly progress: number | null }
  /** `result` as JSON in UTF-8; `null` if it is absent. */
  | { readonly kind: 'completed'; readonly result: Buffer | null }
  | { readonly kind: 'failed'; readonly error: UpstreamError }
  | { readonly kind: 'cancelled' }
  /** Reducto does not know the job (404, 410). */
  | { readonly kind: 'not_found'; readonly error: UpstreamError }
  /** A 200 without a valid job. `aboutJob`: the answer is from Reducto for this job, not from a proxy. */
  | { readonly kind: 'unusable'; readonly error: UpstreamError; readonly aboutJob: boolean }
  /** No usable answer; says nothing about the job. */
  | {
      readonly kind: 'unavailable';
      readonly error: UpstreamError;
      readonly retryAfterSeconds?: number;
    }
  /** Reducto was not called: it is unavailable, or the rate limit is reached. */
  | { readonly kind: 'not_asked'; readonly retryAfterSeconds: number };

/** An answer with Reducto’s copy of the request as text, if the deployment shows it. */
export type PollAnswer = JobAnswer & { readonly rawConfig: string | null };

export interface ListedJob {
  /** `null` if the entry has no usable id. */
  readonly upstreamId: string | null;
  readonly status: string;
  /** As Reducto names it; `null` if it does not. */
  readonly type: string | null;
  /** By Reducto’s clock; `null` if the entry has no usable date. */
  readonly createdAt: Date | null;
  /** Reducto’s copy of the request as text; `null` if the deployment does not show it. */
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
  /** The job has ended, is unknown, or cannot be cancelled: a poll decides. */
  | { readonly kind: 'refused'; readonly error: UpstreamError }
  | {
      readonly kind: 'unavailable';
      readonly error: UpstreamError;
      readonly retryAfterSeconds?: number;
    };

export type DeleteAnswer =
  /** Reducto deletes it, or does not have it. */
  | { readonly kind: 'deleted'; readonly found: boolean }
  | { readonly kind: 'refused' | 'unavailable'; readonly error: UpstreamError };
