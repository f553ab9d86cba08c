import { describe, expect, it } from 'vitest';
import { decide, RETRY_SCHEDULE } from '../../src/deliveries/delivering/retry-policy.js';

const half = (): number => 0.5;
const after = (
  status: number | null,
  failures = 0,
  retryAfterSeconds?: number,
  schedule: readonly number[] = RETRY_SCHEDULE,
) => decide({ status, retryAfterSeconds }, failures, schedule, half);

describe('an attempt', () => {
  it.each([200, 201, 202, 204, 299])('with status %i delivers the event', (status) => {
    expect(after(status)).toEqual({ kind: 'delivered' });
  });

  it.each([null, 100, 199, 301, 302, 304, 400, 401, 404, 409, 429, 500, 503])(
    'with status %s is repeated',
    (status) => {
      expect(after(status)).toMatchObject({ kind: 'retry' });
    },
  );

  it('with status 410 disables the endpoint', () => {
    expect(after(410)).toEqual({ kind: 'gone' });
  });

  it.each(RETRY_SCHEDULE.map((seconds, failures) => [failures, seconds]))(
    'after %i failures is repeated after %i s and jitter',
    (failures, seconds) => {
      expect(after(500, failures)).toMatchObject({ kind: 'retry', seconds: seconds * 1.05 });
    },
  );

  it('after the last delay fails the delivery', () => {
    expect(after(500, RETRY_SCHEDULE.length)).toEqual({ kind: 'failed', pauseSeconds: 0 });
  });

  it('of an endpoint without retries fails the delivery', () => {
    expect(after(null, 0, undefined, [])).toMatchObject({ kind: 'failed' });
  });
});

describe('Retry-After', () => {
  it('delays the next attempt beyond the schedule', () => {
    expect(after(503, 0, 1000)).toMatchObject({ seconds: 1000 });
  });

  it('does not shorten the schedule', () => {
    expect(after(503, 1, 10)).toMatchObject({ seconds: 315 });
  });

  it('is capped at twelve hours', () => {
    expect(after(503, 0, 1_000_000)).toMatchObject({ seconds: 43_200 });
  });

  it.each([429, 503])('of status %i pauses the endpoint for up to five minutes', (status) => {
    expect(after(status, 0, 60)).toMatchObject({ pauseSeconds: 60 });
    expect(after(status, 0, 6000)).toMatchObject({ pauseSeconds: 300 });
  });

  it('of another status pauses only the delivery', () => {
    expect(after(500, 0, 60)).toMatchObject({ seconds: 60, pauseSeconds: 0 });
  });
});
