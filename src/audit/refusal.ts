import type { RawRequest } from './raw-request.js';

/** The guards in their order. */
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

/** The guard of each cause. */
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
 * The verdict of a guard. `observed`: the guard would have refused in mode `enforce`. `detail` names the key or secret
 * that was tried.
 */
export type Verdict =
  | { readonly result: 'pass'; readonly detail?: string }
  | { readonly result: 'fail' | 'observed'; readonly cause: RefusalCause; readonly detail?: string }
  | { readonly result: 'not_checked' };

export type Verdicts = Readonly<Record<GuardName, Verdict>>;

/** Refused, or accepted by a guard in mode `observe`. */
export type Outcome = 'refused' | 'observed';

/** The part of a refusal that is counted. */
export interface CountedRefusal {
  readonly cause: RefusalCause;
  readonly outcome: Outcome;
  /** The client address that the trusted proxies report. */
  readonly clientAddress: string;
  /** The size of the body. */
  readonly bytes: number;
}

/** A refused or observed callback. */
export interface Refusal {
  readonly guard: GuardName;
  readonly cause: RefusalCause;
  readonly status: number;
  readonly requestId: string;
  readonly verdicts: Verdicts;
  /** The peer, and the client that it forwards for if it is a trusted proxy. */
  readonly peerAddress: string;
  readonly clientAddress: string;
  readonly forwardedFor: string | null;
  readonly assertedJobId: string | null;
  readonly assertedUpstreamId: string | null;
  /** The known job that the callback names. */
  readonly jobId: string | null;
  readonly path: string;
  readonly rawRequest: RawRequest;
  /** False if the body was too long, and `rawRequest` holds only its beginning. */
  readonly bodyComplete: boolean;
}
