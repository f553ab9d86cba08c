import { randomUUID } from 'node:crypto';
import type { DetectionInput, RefusalEvidence } from '../../src/alerts/detection-input.js';

export const NOW = new Date('2026-01-01T12:00:00Z');

export const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);

/** Evidence of one refusal that raises no alert, unless `some` overrides it. */
export function refusalEvidence(some: Partial<RefusalEvidence> = {}): RefusalEvidence {
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

/** `count` refusals, each for a job that has ended upstream without an accepted callback. */
export function missed(count: number, some: Partial<RefusalEvidence> = {}): RefusalEvidence[] {
  return Array.from({ length: count }, () =>
    refusalEvidence({ job: { id: randomUUID(), state: 'ended' }, ...some }),
  );
}

/** The input of a gateway without findings and with five waiting jobs, unless `some` overrides it. */
export function inputWith(
  refusals: readonly RefusalEvidence[],
  {
    accepted,
    ...some
  }: Partial<Omit<DetectionInput, 'accepted'>> & {
    accepted?: Partial<DetectionInput['accepted']>;
  } = {},
): DetectionInput {
  return {
    now: NOW,
    refusals,
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
