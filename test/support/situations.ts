import { randomUUID } from 'node:crypto';
import type { Situation, Trace } from '../../src/alerts/situation.js';

export const NOW = new Date('2026-01-01T12:00:00Z');

export const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);

/** A refusal that tells nothing, but for `some`. */
export function trace(some: Partial<Trace> = {}): Trace {
  return {
    entryId: '1',
    at: ago(10),
    cause: 'token_invalid',
    count: 1,
    address: '198.51.100.1',
    forwarded: false,
    secret: 'wrong',
    secretCause: undefined,
    tried: undefined,
    fromKnownSender: false,
    job: undefined,
    ...some,
  };
}

/** `count` refusals of as many jobs that have ended at Reducto and heard nothing. */
export function missed(count: number, some: Partial<Trace> = {}): Trace[] {
  return Array.from({ length: count }, () =>
    trace({ job: { id: randomUUID(), state: 'ended' }, ...some }),
  );
}

/** A calm gateway with a few waiting jobs, but for `some`. */
export function situation(
  traces: readonly Trace[],
  {
    accepted,
    ...some
  }: Partial<Omit<Situation, 'accepted'>> & {
    accepted?: Partial<Situation['accepted']>;
  } = {},
): Situation {
  return {
    now: NOW,
    traces,
    totals: [],
    waitingJobs: 5,
    open: new Set(),
    closed: new Map(),
    installed: { webhookMode: 'direct', tokenKeys: [2], svixSecrets: 1, webhookMaxBytes: 65_536 },
    ...some,
    accepted: {
      now: NOW,
      inTwoMinutes: 0,
      inTenMinutes: 0,
      inSixtyMinutes: 0,
      hourBefore: 0,
      lastAt: null,
      ...accepted,
    },
  };
}
