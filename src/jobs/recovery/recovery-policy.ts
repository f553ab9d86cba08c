import { CANCELLED_BEFORE_SUBMIT, type JobError } from '../job-error.js';
import type { SearchResult } from './upstream-search.js';

/** State of an uncertain job. Ages by the database’s clock. */
export interface RecoveryState {
  /** Since the last moment at which the request can have arrived. */
  readonly sinceLastMomentSeconds: number;
  /** Time that Reducto may take to list a new job. */
  readonly listingLagSeconds: number;
  readonly ageSeconds: number;
  readonly cancelRequested: boolean;
  readonly scheduleSeconds: readonly number[];
  readonly maxAgeSeconds: number;
  readonly resubmitUnresolved: boolean;
  /** Upstream id that a callback with a valid token asserts and that nothing contradicts. */
  readonly assertedUpstreamId: string | null;
}

export type RecoveryStep =
  | { readonly do: 'adopt'; readonly upstreamId: string; readonly via: 'listing' | 'callback' }
  | { readonly do: 'resubmit' }
  | { readonly do: 'wait'; readonly seconds: number; readonly because: string }
  | {
      readonly do: 'end';
      readonly status: 'failed' | 'cancelled' | 'expired';
      readonly error: JobError;
    };

/**
 * Decides the next step after a search. Reducto may list a job late, so "absent" counts only for a walk that began
 * after the lag of the listing, and if no callback contradicts it.
 */
export function stepAfterSearch(found: SearchResult, state: RecoveryState): RecoveryStep {
  if (found.kind === 'found') {
    return { do: 'adopt', upstreamId: found.upstreamId, via: 'listing' };
  }
  // A token authenticates the job of a callback, but not the upstream id; only the listing proves that.
  if (found.kind === 'undecided' && state.assertedUpstreamId !== null) {
    return { do: 'adopt', upstreamId: state.assertedUpstreamId, via: 'callback' };
  }
  if (state.ageSeconds >= state.maxAgeSeconds) {
    return {
      do: 'end',
      status: 'expired',
      error: unknownOutcome('was not known before the maximum age'),
    };
  }
  if (found.kind === 'unavailable') {
    const wait = state.scheduleSeconds[0] ?? 5;
    const seconds = Math.min(Math.max(wait, found.retryAfterSeconds ?? 0), untilTooOld(state));
    return { do: 'wait', seconds, because: 'the listing could not be read' };
  }
  const isProven =
    found.kind === 'absent' &&
    state.assertedUpstreamId === null &&
    state.sinceLastMomentSeconds >= state.listingLagSeconds;
  const seconds = isProven ? undefined : untilNextSearch(state);
  if (seconds !== undefined)
    return { do: 'wait', seconds, because: `not in the listing (${found.kind})` };
  if (found.kind === 'absent' || state.resubmitUnresolved) {
    return state.cancelRequested
      ? { do: 'end', status: 'cancelled', error: CANCELLED_BEFORE_SUBMIT }
      : { do: 'resubmit' };
  }
  return { do: 'end', status: 'failed', error: unknownOutcome('could not be determined') };
}

/** Counted from the first search, so that an extra search after a callback does not shorten the schedule. */
function untilNextSearch(state: RecoveryState): number | undefined {
  const since = state.sinceLastMomentSeconds;
  let at = state.listingLagSeconds;
  for (const wait of [0, ...state.scheduleSeconds]) {
    at += wait;
    if (at > since) return Math.min(at - since, untilTooOld(state));
  }
  return undefined;
}

function untilTooOld({ maxAgeSeconds, ageSeconds }: RecoveryState): number {
  return Math.max(maxAgeSeconds - ageSeconds, 1);
}

function unknownOutcome(what: string): JobError {
  return {
    code: 'submit_outcome_unknown',
    message: `The request was sent to Reducto without an answer; whether Reducto created a job ${what}.`,
    retryable: true,
  };
}
