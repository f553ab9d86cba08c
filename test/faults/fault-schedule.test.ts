import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FAULT_KINDS, laneOf, planFaults, readFaultKinds } from './fault-schedule.js';

const options = {
  seed: 7,
  withinMs: 60_000,
  replicas: 2,
  longestPauseMs: 8_000,
  without: [],
} as const;

it('is the same for the same seed, and another for another', () => {
  expect(planFaults(options)).toEqual(planFaults({ ...options }));
  expect(planFaults(options)).not.toEqual(planFaults({ ...options, seed: 8 }));
});

it('lets faults of one lane follow each other, and ends all of them in time', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1_000, max: 120_000 }), (seed, withinMs) => {
      const planned = planFaults({ ...options, seed, withinMs });
      for (const lane of Map.groupBy(planned, (fault) => laneOf(fault)).values()) {
        lane.reduce((freeFrom, { atMs, forMs }) => {
          expect(atMs).toBeGreaterThanOrEqual(freeFrom);
          expect(atMs + forMs).toBeLessThanOrEqual(withinMs);
          return atMs + forMs;
        }, 0);
      }
    }),
    { numRuns: 50 },
  );
});

it('has every kind in a run of some minutes, but for those that are left out', () => {
  const kinds = (without: ReturnType<typeof readFaultKinds>): string[] =>
    [
      ...new Set(planFaults({ ...options, withinMs: 300_000, without }).map(({ kind }) => kind)),
    ].toSorted();
  const all = Object.keys(FAULT_KINDS).toSorted();
  expect(kinds([])).toEqual(all);
  expect(kinds(readFaultKinds('pause,swap'))).toEqual(
    all.filter((kind) => kind !== 'pause' && kind !== 'swap'),
  );
});

it('refuses to leave out what does not exist', () => {
  expect(readFaultKinds('')).toEqual([]);
  expect(() => readFaultKinds('pause,dance')).toThrow('dance');
});
