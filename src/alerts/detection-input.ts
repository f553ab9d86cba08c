import type { RefusalTotal } from '../audit/recent-refusals.js';
import type { RefusalCause } from '../audit/refusal.js';
import type { AcceptedCounts } from '../webhooks/accepted-callbacks.js';
import type { AlertKind, DetectedKind } from './alert-kinds.js';

/**
 * The job that a refused callback names, as far as it proves something. Ids of jobs are not to be guessed:
 * who names one that waits has most likely been told by us, and is Reducto. `ended`: and Reducto had
 * indeed finished it. `waiting`: not known yet. `unknown`: no job of ours.
 */
export interface AssertedState {
  readonly id: string;
  readonly state: 'ended' | 'waiting' | 'unknown';
}

/** A refusal, or `count` of them from one address that were only counted, with what it tells. */
export interface RefusalEvidence {
  /** Of its entry in the audit. */
  readonly entryId: string;
  readonly at: Date;
  readonly cause: RefusalCause;
  readonly count: number;
  readonly address: string;
  readonly forwarded: boolean;
  readonly secret: 'right' | 'wrong' | 'unknown';
  /** Why the secret is wrong, where another check had refused already. */
  readonly secretCause: RefusalCause | undefined;
  /** Which key or secret it was checked with. */
  readonly tried: string | undefined;
  /** The address has delivered genuine callbacks lately, or the allowlist names it. */
  readonly fromKnownSender: boolean;
  /** Absent where it names none, or one that does not miss it. */
  readonly job: AssertedState | undefined;
}

/** What the advice refers to. */
export interface Installed {
  readonly webhookMode: 'direct' | 'svix' | 'none';
  readonly tokenKeys: readonly number[];
  readonly svixSecrets: number;
  readonly webhookMaxBytes: number;
}

/** All that the detector judges by. Times are those of the database, where that is possible. */
export interface DetectionInput {
  readonly now: Date;
  readonly refusals: readonly RefusalEvidence[];
  readonly totals: readonly RefusalTotal[];
  readonly accepted: AcceptedCounts;
  readonly waitingJobs: number;
  readonly open: ReadonlySet<AlertKind>;
  /** When the last alert of a kind was closed: what came before has been dealt with. */
  readonly closed: ReadonlyMap<AlertKind, Date>;
  readonly installed: Installed;
}

/** Numbers behind an alert, as they are stored and sent. */
export interface AlertEvidence {
  readonly windowMinutes: number;
  readonly refusals: number;
  /** Different jobs that they name; 0 where none can be read. */
  readonly jobs: number;
  readonly accepted: number;
  readonly waitingJobs: number;
  readonly hourBefore: { readonly accepted: number; readonly refused: number };
  readonly causes: Readonly<Record<string, number>>;
  /** The main ones, with what was found of their secret. */
  readonly addresses: readonly {
    address: string;
    refusals: number;
    secret: RefusalEvidence['secret'];
  }[];
  readonly otherAddresses: number;
  readonly tried: readonly string[];
  readonly exampleJobs: readonly string[];
}

/** Behind an alert that the audit was tampered with: each place of the audit, once. */
export interface TamperingFigures {
  readonly places: readonly string[];
}

/** What is wrong, for a person who has never looked into this. */
export interface Finding {
  readonly kind: DetectedKind;
  readonly message: string;
  readonly advice: string;
  readonly evidence: AlertEvidence;
  readonly lastSeenAt: Date;
}
