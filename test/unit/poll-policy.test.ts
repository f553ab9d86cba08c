import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  stepAfterPoll,
  stepAfterMissingResult,
  secondsUntilNextPoll,
  type AskedAnswer,
  type PollLimits,
  type PolledJob,
} from '../../src/jobs/polling/poll-policy.js';
import { CANCELLED } from '../../src/jobs/job-error.js';
import type { JobAnswer } from '../../src/reducto/answers.js';

const LIMITS: PollLimits = {
  scheduleSeconds: [10, 20, 40],
  maxAgeSeconds: 1000,
  notFoundGraceSeconds: 60,
  resultGraceSeconds: 600,
};

const waiting = (some: Partial<PolledJob> = {}): PolledJob => ({
  polls: 0,
  ageSeconds: 100,
  sinceSubmitSeconds: 99,
  sinceCallbackSeconds: null,
  sinceCancelSeconds: null,
  missingSeconds: null,
  unusableSeconds: null,
  resultMissingSeconds: null,
  ...some,
});

const polled = (answer: Exclude<JobAnswer, { kind: 'not_asked' }>): AskedAnswer => ({
  ...answer,
  rawConfig: null,
});
const OPEN = polled({ kind: 'open', progress: null });
const GONE = polled({ kind: 'not_found', error: { status: 404, message: 'no' } });
const UNAVAILABLE = polled({ kind: 'unavailable', error: { message: 'x' } });
const after = (answer: AskedAnswer, some: Partial<PolledJob> = {}) =>
  stepAfterPoll(answer, waiting(some), LIMITS);

describe('stepAfterPoll for a final answer', () => {
  test('fetches the result of a completed job of any age', () => {
    const done = polled({ kind: 'completed', result: Buffer.from('{}') });
    expect(after(done, { ageSeconds: 1e9 })).toEqual({ do: 'fetch-result' });
  });

  test('ends a cancelled job with the code cancelled', () => {
    expect(after(polled({ kind: 'cancelled' }), { ageSeconds: 1e9 })).toEqual({
      do: 'end',
      status: 'cancelled',
      error: CANCELLED,
    });
  });

  test.each([
    ['TIMEOUT', true],
    ['INVALID_PASSWORD', false],
    ['__proto__', false],
  ])('failed as %s: keeps the reason, retryable %s', (name, retryable) => {
    expect(after(polled({ kind: 'failed', error: { name, message: 'why' } }))).toEqual({
      do: 'end',
      status: 'failed',
      error: { code: 'failed_upstream', message: 'why', upstreamName: name, retryable },
    });
  });

  test('treats a failure that mentions cancelled as a cancel only after a requested cancel', () => {
    const failed = polled({ kind: 'failed', error: { message: 'Job was Cancelled' } });
    expect(after(failed, { sinceCancelSeconds: 3 })).toMatchObject({ status: 'cancelled' });
    expect(after(failed)).toMatchObject({ status: 'failed' });
    const other = polled({ kind: 'failed', error: { message: 'bad page' } });
    expect(after(other, { sinceCancelSeconds: 3 })).toMatchObject({ status: 'failed' });
  });
});

describe('stepAfterPoll for an unknown job', () => {
  test('waits during the grace period after the submit', () => {
    const step = after(GONE, { sinceSubmitSeconds: 59.9, missingSeconds: 50 });
    expect(step).toEqual({ do: 'wait', seconds: 15, because: 'missing' });
    expect(after(GONE, { sinceSubmitSeconds: 0 })).toMatchObject({ seconds: 1 });
  });

  test('expires the job only after a second answer five seconds later', () => {
    const wait = { do: 'wait', seconds: 5, because: 'missing' };
    expect(after(GONE)).toEqual(wait);
    expect(after(GONE, { missingSeconds: 0 })).toEqual(wait);
    expect(after(GONE, { missingSeconds: 4.9 })).toEqual(wait);
    expect(after(GONE, { missingSeconds: 5 })).toMatchObject({
      do: 'end',
      status: 'expired',
      error: { code: 'unknown_upstream' },
    });
  });

  test('cancels the job after a requested cancel', () => {
    const once = after(GONE, { sinceCancelSeconds: 0, sinceSubmitSeconds: 1 });
    expect(once).toMatchObject({ do: 'wait', because: 'missing' });
    const step = after(GONE, { sinceCancelSeconds: 9, sinceSubmitSeconds: 10, missingSeconds: 6 });
    expect(step).toEqual({ do: 'end', status: 'cancelled', error: CANCELLED });
  });

  test('expires the job at the maximum age, also in the grace period', () => {
    const inGrace = after(GONE, { ageSeconds: 1000, sinceSubmitSeconds: 1 });
    expect(inGrace).toMatchObject({
      do: 'end',
      status: 'expired',
      error: { code: 'max_age_exceeded' },
    });
    expect(after(GONE, { ageSeconds: 1000 })).toMatchObject({
      error: { code: 'max_age_exceeded' },
    });
  });
});

describe('stepAfterPoll for an open job or an unavailable Reducto', () => {
  test('follows the schedule and repeats its last entry', () => {
    const waits = [0, 1, 2, 3, 99].map((polls) => secondsUntilNextPoll(waiting({ polls }), LIMITS));
    expect(waits).toEqual([10, 20, 40, 40, 40]);
  });

  test('polls often after a callback or a cancel, then on the schedule', () => {
    const seconds = (some: Partial<PolledJob>) =>
      secondsUntilNextPoll(waiting({ polls: 2, ...some }), LIMITS);
    expect([0, 7, 39, 500].map((age) => seconds({ sinceCallbackSeconds: age }))).toEqual([
      1, 7, 39, 40,
    ]);
    expect(seconds({ sinceCallbackSeconds: 500, sinceCancelSeconds: 3 })).toBe(3);
  });

  test('schedules the last poll at the maximum age', () => {
    expect(after(OPEN, { polls: 2, ageSeconds: 988 })).toMatchObject({ seconds: 12 });
  });

  test('obeys a Retry-After that is longer than the schedule', () => {
    const later = polled({ kind: 'unavailable', error: { message: 'x' }, retryAfterSeconds: 77 });
    expect(after(later)).toEqual({ do: 'wait', seconds: 77, because: 'unavailable' });
    expect(after(later, { ageSeconds: 990 })).toMatchObject({ seconds: 10 });
    const sooner = polled({ kind: 'unavailable', error: { message: 'x' }, retryAfterSeconds: 2 });
    expect(after(sooner)).toMatchObject({ seconds: 10 });
    expect(after(UNAVAILABLE)).toMatchObject({ seconds: 10, because: 'unavailable' });
  });

  test('expires the job at the maximum age and not before', () => {
    for (const answer of [OPEN, UNAVAILABLE]) {
      expect(after(answer, { ageSeconds: 999.9 })).toMatchObject({ do: 'wait' });
      expect(after(answer, { ageSeconds: 1000 })).toMatchObject({ do: 'end', status: 'expired' });
    }
  });
});

describe('a result that cannot be fetched', () => {
  test('retries a missing result with increasing waits, then fails the job', () => {
    const missing = (age: number | null) =>
      stepAfterMissingResult('404', waiting({ resultMissingSeconds: age }), LIMITS);
    expect(missing(null)).toMatchObject({ do: 'wait', seconds: 2 });
    expect(missing(30)).toMatchObject({ do: 'wait', seconds: 30 });
    expect(missing(599)).toMatchObject({ do: 'wait', seconds: 60 });
    expect(missing(600)).toMatchObject({
      do: 'end',
      status: 'failed',
      error: { code: 'result_unavailable' },
    });
  });

  test('retries an unusable answer like a missing result, then fails the job', () => {
    const error = { status: 200, message: 'no JSON' };
    const unusable = polled({ kind: 'unusable', error, aboutJob: true });
    expect(after(unusable)).toEqual({ do: 'wait', seconds: 2, because: 'unusable' });
    expect(after(unusable, { unusableSeconds: 600 })).toEqual({
      do: 'end',
      status: 'failed',
      error: { code: 'result_unavailable', message: 'no JSON.', retryable: true },
    });
  });

  test('gives a result its own grace period after a long time of unusable answers', () => {
    const afterUnusable = waiting({ unusableSeconds: 5000 });
    expect(stepAfterMissingResult('403', afterUnusable, LIMITS)).toMatchObject({ do: 'wait' });
  });

  test('does not retry a missing result beyond the maximum age', () => {
    const missing = (ageSeconds: number) =>
      stepAfterMissingResult('404', waiting({ ageSeconds, resultMissingSeconds: 30 }), LIMITS);
    expect(missing(990)).toMatchObject({ do: 'wait', seconds: 10 });
    expect(missing(1000)).toMatchObject({
      status: 'failed',
      error: { code: 'result_unavailable' },
    });
  });
});

const age = fc.double({ min: 0, max: 3000, noNaN: true });
const maybeAge = fc.option(age);
const states = fc.record<PolledJob>({
  polls: fc.nat(100),
  ageSeconds: age,
  sinceSubmitSeconds: age,
  sinceCallbackSeconds: maybeAge,
  sinceCancelSeconds: maybeAge,
  missingSeconds: maybeAge,
  unusableSeconds: maybeAge,
  resultMissingSeconds: maybeAge,
});
const limits = fc.record<PollLimits>({
  scheduleSeconds: fc.array(fc.double({ min: 0.01, max: 4000, noNaN: true }), {
    minLength: 1,
    maxLength: 8,
  }),
  maxAgeSeconds: fc.integer({ min: 1, max: 2000 }),
  notFoundGraceSeconds: fc.nat(2000),
  resultGraceSeconds: fc.nat(2000),
});
const undecided = fc.oneof(
  fc.constant(OPEN),
  fc.option(fc.integer({ min: 0, max: 300 })).map((after) =>
    polled({
      kind: 'unavailable',
      error: { message: 'x' },
      ...(after === null ? {} : { retryAfterSeconds: after }),
    }),
  ),
);

test('property: no wait exceeds the maximum age by more than a second, and the job ends there', () => {
  fc.assert(
    fc.property(undecided, states, limits, (answer, state, limit) => {
      const step = stepAfterPoll(answer, state, limit);
      const tooOld = state.ageSeconds >= limit.maxAgeSeconds;
      expect(step.do).toBe(tooOld ? 'end' : 'wait');
      const seconds = step.do === 'wait' ? step.seconds : 1;
      expect(seconds).toBeGreaterThan(0);
      expect(step.do === 'wait' ? state.ageSeconds + seconds : 0).toBeLessThanOrEqual(
        limit.maxAgeSeconds + 1 + 1e-6,
      );
    }),
  );
});

test('property: a job that Reducto does not know ends in bounded time', () => {
  fc.assert(
    fc.property(states, limits, (state, limit) => {
      const step = stepAfterPoll(GONE, state, limit);
      expect(step.do === 'wait' ? step.seconds : 5).toBeLessThanOrEqual(15);
      expect(step.do === 'wait' && state.ageSeconds >= limit.maxAgeSeconds).toBe(false);
    }),
  );
});
