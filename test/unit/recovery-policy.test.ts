import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CANCELLED_BEFORE_SUBMIT } from '../../src/jobs/job-error.js';
import { stepAfterSearch, type RecoveryState } from '../../src/jobs/recovery/recovery-policy.js';
import type { SearchResult } from '../../src/jobs/recovery/upstream-search.js';

const state = (some: Partial<RecoveryState> = {}): RecoveryState => ({
  sinceLastMomentSeconds: 300,
  listingLagSeconds: 3,
  ageSeconds: 400,
  cancelRequested: false,
  scheduleSeconds: [5, 15, 60, 180],
  maxAgeSeconds: 1000,
  resubmitUnresolved: false,
  assertedUpstreamId: null,
  ...some,
});
const after = (found: SearchResult, some: Partial<RecoveryState> = {}) =>
  stepAfterSearch(found, state(some));

describe('stepAfterSearch for a found job', () => {
  test('adopts the job at any age and after a requested cancel', () => {
    const step = after(
      { kind: 'found', upstreamId: 'up' },
      { ageSeconds: 1e9, cancelRequested: true },
    );
    expect(step).toEqual({ do: 'adopt', upstreamId: 'up', via: 'listing' });
  });
});

describe('stepAfterSearch for an absent job', () => {
  test('submits the job again at once after the lag of the listing', () => {
    expect(after({ kind: 'absent' }, { sinceLastMomentSeconds: 3 })).toEqual({ do: 'resubmit' });
  });

  test.each([
    [0, 3],
    [2.5, 0.5],
  ])('%d s after the last moment waits %d s for the lag of the listing', (since, seconds) => {
    expect(after({ kind: 'absent' }, { sinceLastMomentSeconds: since })).toMatchObject({
      do: 'wait',
      seconds,
    });
  });

  test('cancels a job with a requested cancel at once', () => {
    expect(after({ kind: 'absent' }, { cancelRequested: true, sinceLastMomentSeconds: 3 })).toEqual(
      { do: 'end', status: 'cancelled', error: CANCELLED_BEFORE_SUBMIT },
    );
  });

  test('does not shorten the lag after a requested cancel', () => {
    expect(
      after({ kind: 'absent' }, { cancelRequested: true, sinceLastMomentSeconds: 2 }),
    ).toMatchObject({ do: 'wait', seconds: 1 });
  });

  test('searches on schedule if a callback asserts an upstream id that the listing does not show', () => {
    const asserted = { assertedUpstreamId: 'asserted', sinceLastMomentSeconds: 3 };
    expect(after({ kind: 'absent' }, asserted)).toMatchObject({ do: 'wait', seconds: 5 });
  });
});

describe('stepAfterSearch without a decision', () => {
  test('submits again only if UNCERTAIN_UNRESOLVED is resubmit', () => {
    expect(after({ kind: 'undecided' })).toMatchObject({
      do: 'end',
      status: 'failed',
      error: { code: 'submit_outcome_unknown', retryable: true },
    });
    expect(after({ kind: 'undecided' }, { resubmitUnresolved: true })).toEqual({ do: 'resubmit' });
  });

  test.each([
    [1, 2],
    [3, 5],
    [8, 15],
    [82, 1],
    [83, 180],
    [262.5, 0.5],
  ])('%d s after the last moment searches again in %d s', (since, seconds) => {
    expect(
      after({ kind: 'undecided' }, { sinceLastMomentSeconds: since, resubmitUnresolved: true }),
    ).toMatchObject({ do: 'wait', seconds });
  });
});

describe('stepAfterSearch without a listing', () => {
  test('waits and obeys Retry-After', () => {
    expect(after({ kind: 'unavailable' }, { resubmitUnresolved: true })).toMatchObject({
      do: 'wait',
      seconds: 5,
    });
    expect(after({ kind: 'unavailable', retryAfterSeconds: 90 })).toMatchObject({
      do: 'wait',
      seconds: 90,
    });
  });
});

const searches = fc.oneof(
  fc.constant<SearchResult>({ kind: 'absent' }),
  fc.constant<SearchResult>({ kind: 'undecided' }),
  fc.option(fc.integer({ min: 0, max: 300 })).map<SearchResult>((after) => ({
    kind: 'unavailable',
    ...(after === null ? {} : { retryAfterSeconds: after }),
  })),
);
const states = fc.record<RecoveryState>({
  sinceLastMomentSeconds: fc.double({ min: 0, max: 3000, noNaN: true }),
  listingLagSeconds: fc.integer({ min: 0, max: 60 }),
  ageSeconds: fc.double({ min: 0, max: 3000, noNaN: true }),
  cancelRequested: fc.boolean(),
  scheduleSeconds: fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 6 }),
  maxAgeSeconds: fc.integer({ min: 1, max: 2000 }),
  resubmitUnresolved: fc.boolean(),
  assertedUpstreamId: fc.constantFrom(null, 'claimed'),
});

test('property: a job at the maximum age expires if neither the listing nor a callback names it', () => {
  fc.assert(
    fc.property(searches, states, (found, some) => {
      const old = {
        ...some,
        assertedUpstreamId: null,
        ageSeconds: some.maxAgeSeconds + some.ageSeconds,
      };
      expect(stepAfterSearch(found, old)).toMatchObject({ do: 'end', status: 'expired' });
    }),
  );
});

test('property: a second submit happens only after the lag, and without proof only after the whole schedule', () => {
  fc.assert(
    fc.property(searches, states, (found, some) => {
      const isProof = found.kind === 'absent' && some.assertedUpstreamId === null;
      const planned = isProof ? 0 : some.scheduleSeconds.reduce((sum, wait) => sum + wait, 0);
      const early =
        stepAfterSearch(found, some).do === 'resubmit' &&
        some.sinceLastMomentSeconds < some.listingLagSeconds + planned;
      expect(early).toBe(false);
    }),
  );
});

test('property: never waits beyond the maximum age by more than a second or Retry-After', () => {
  fc.assert(
    fc.property(searches, states, (found, some) => {
      const step = stepAfterSearch(found, some);
      const retryAfter = found.kind === 'unavailable' ? (found.retryAfterSeconds ?? 0) : 0;
      const wakesAt = step.do === 'wait' ? some.ageSeconds + step.seconds : 0;
      expect(wakesAt).toBeLessThanOrEqual(some.maxAgeSeconds + Math.max(1, retryAfter) + 1e-6);
    }),
  );
});

describe('the upstream id that a callback asserts', () => {
  test('adopts the asserted upstream id only if the listing decides nothing', () => {
    const claim = { assertedUpstreamId: 'claimed' };
    expect(after({ kind: 'undecided' }, claim)).toEqual({
      do: 'adopt',
      upstreamId: 'claimed',
      via: 'callback',
    });
    expect(after({ kind: 'found', upstreamId: 'up' }, claim)).toMatchObject({ upstreamId: 'up' });
    expect(after({ kind: 'absent' }, claim)).not.toMatchObject({ do: 'adopt' });
    expect(after({ kind: 'unavailable' }, claim)).toMatchObject({ do: 'wait' });
  });
});
