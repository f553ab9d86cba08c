import type { RawRequest } from './raw-request.js';

/** The checks that a callback passes, in their order. */
export const GUARDS = ['source_ip', 'well_formed', 'secret', 'job_id'] as const;

export type GuardName = (typeof GUARDS)[number];

/** Why a guard refused. Stable: admins filter by it. */
export const REFUSAL_CAUSES = [
  'address_not_allowed',
  'wrong_method',
  'wrong_content_type',
  'too_large',
  'not_json',
  'not_a_callback',
  'signature_incomplete',
  'signature_stale',
  'signature_invalid',
  'svix_not_configured',
  'token_missing',
  'token_invalid',
  'job_unknown',
  'upstream_id_mismatch',
] as const;

export type RefusalCause = (typeof REFUSAL_CAUSES)[number];

/** Which guard refuses for which cause. */
export const GUARD_OF_CAUSE: Readonly<Record<RefusalCause, GuardName>> = {
  address_not_allowed: 'source_ip',
  wrong_method: 'well_formed',
  wrong_content_type: 'well_formed',
  too_large: 'well_formed',
  not_json: 'well_formed',
  not_a_callback: 'well_formed',
  signature_incomplete: 'secret',
  signature_stale: 'secret',
  signature_invalid: 'secret',
  svix_not_configured: 'secret',
  token_missing: 'secret',
  token_invalid: 'secret',
  job_unknown: 'job_id',
  upstream_id_mismatch: 'job_id',
};

/**
 * What a guard found. `observed`: it would have refused, but its mode lets everything pass. `detail`
 * says which key or secret was tried.
 */
export type Verdict =
  | { readonly result: 'pass'; readonly detail?: string }
  | { readonly result: 'fail' | 'observed'; readonly cause: RefusalCause; readonly detail?: string }
  | { readonly result: 'not_checked' };

export type Verdicts = Readonly<Record<GuardName, Verdict>>;

/** Refused, or let through by a guard that only observes. */
export type Outcome = 'refused' | 'observed';

/** As much of a refusal as is counted. */
export interface CountedRefusal {
  readonly cause: RefusalCause;
  readonly outcome: Outcome;
  /** Who sent it, as far as that can be believed. */
  readonly clientAddress: string;
  /** Of its body. */
  readonly bytes: number;
}

/** A callback that was refused, or would have been. */
export interface Refusal {
  readonly guard: GuardName;
  readonly cause: RefusalCause;
  readonly status: number;
  readonly requestId: string;
  readonly verdicts: Verdicts;
  /** Who spoke to us, and who that spoke for where it is a trusted proxy. */
  readonly peerAddress: string;
  readonly clientAddress: string;
  readonly forwardedFor: string | null;
  readonly assertedJobId: string | null;
  readonly assertedUpstreamId: string | null;
  /** The job of ours that it belongs to, where there is one. */
  readonly jobId: string | null;
  readonly path: string;
  readonly rawRequest: RawRequest;
  /** False where the body was longer than allowed, and `original` holds its beginning. */
  readonly bodyComplete: boolean;
}
