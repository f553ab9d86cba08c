import type { RefusalTotal } from '../audit/recent-refusals.js';
import type { RefusalCause } from '../audit/refusal.js';
import type { AcceptedCounts } from '../webhooks/accepted-callbacks.js';
import type { AlertKind, DetectedKind } from './alert-kinds.js';

/**
 * The job that a refused callback names. Job ids cannot be guessed, so the sender of a callback for a waiting job is
 * probably Reducto. `ended`: a poll confirmed the end. `waiting`: not polled yet. `unknown`: not a job of this gateway.
 */
export interface AssertedState {
  readonly id: string;
  readonly state: 'ended' | 'waiting' | 'unknown';
}

/** One refusal, or `count` refusals from one address that were only counted. */
export interface RefusalEvidence {
  /** The id of the audit entry. */
  readonly entryId: string;
  readonly at: Date;
  readonly cause: RefusalCause;
  readonly count: number;
  readonly address: string;
  readonly forwarded: boolean;
  readonly secret: 'right' | 'wrong' | 'unknown';
  /** Why the secret is wrong, if another guard refused first. */
  readonly secretCause: RefusalCause | undefined;
  /** The key or secret that it was checked with. */
  readonly tried: string | undefined;
  /** The address sent accepted callbacks recently, or is in the allowlist. */
  readonly fromKnownSender: boolean;
  /** Absent if the callback names no job, or one that already has a callback. */
  readonly job: AssertedState | undefined;
}

/** Settings that the advice mentions. */
export interface InstalledSettings {
  readonly webhookMode: 'direct' | 'svix' | 'none';
  readonly tokenKeys: readonly number[];
  readonly svixSecrets: number;
  readonly webhookMaxBytes: number;
}

/** The input of the detection. Times come from the database where possible. */
export interface DetectionInput {
  readonly now: Date;
  readonly refusals: readonly RefusalEvidence[];
  readonly totals: readonly RefusalTotal[];
  readonly accepted: AcceptedCounts;
  readonly waitingJobs: number;
  readonly open: ReadonlySet<AlertKind>;
  /** When the last alert of a kind was closed; older refusals do not count. */
  readonly closed: ReadonlyMap<AlertKind, Date>;
  readonly installed: InstalledSettings;
}

/** Numbers behind an alert, as they are stored and sent. */
export interface AlertEvidence {
  readonly windowMinutes: number;
  readonly refusals: number;
  /** Distinct jobs that they name; 0 if no body is readable. */
  readonly jobs: number;
  readonly accepted: number;
  readonly waitingJobs: number;
  readonly hourBefore: { readonly accepted: number; readonly refused: number };
  readonly causes: Readonly<Record<string, number>>;
  /** The most frequent addresses, with the verdict on their secret. */
  readonly addresses: readonly {
    address: string;
    refusals: number;
    secret: RefusalEvidence['secret'];
  }[];
  readonly otherAddresses: number;
  readonly tried: readonly string[];
  readonly exampleJobs: readonly string[];
}

/** The evidence of tampering: each place in the audit once. */
export interface TamperingEvidence {
  readonly places: readonly string[];
}

/** The evidence of an alert about endpoints. */
export interface EndpointEvidence {
  readonly services: readonly string[];
  /** The ids of up to 100 endpoints. */
  readonly endpoints: readonly string[];
}

/** The evidence of a refused API key: the status of Reducto’s answers. */
export interface ApiKeyEvidence {
  readonly status: number;
}

/** A detected problem, with texts for operators. */
export interface Finding {
  readonly kind: DetectedKind;
  readonly message: string;
  readonly advice: string;
  readonly evidence: AlertEvidence;
  readonly lastSeenAt: Date;
}
