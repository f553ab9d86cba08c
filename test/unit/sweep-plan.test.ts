import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DueJob } from '../../src/jobs/due-jobs.service.js';
import { planSweep, type SweepConditions } from '../../src/reconciler/sweep-plan.js';

const dueJob = (some: Partial<DueJob> = {}): DueJob => ({
  id: 'a',
  status: 'submitted',
  upstreamId: 'u',
  polls: 0,
  ageSeconds: 10,
  sinceSubmitSeconds: 9,
  pollSoon: false,
  ...some,
});
const CALM: SweepConditions = { upstreamUnavailable: false, listingFrom: 3, maxAgeSeconds: 100 };
const several = (count: number, some: Partial<DueJob> = {}) =>
  Array.from({ length: count }, () => dueJob(some));

describe('planSweep', () => {
  it('searches the listing for uncertain jobs', () => {
    const uncertain = dueJob({ status: 'uncertain' });
    expect(planSweep([uncertain], CALM)).toMatchObject({ searches: [uncertain], polls: [] });
  });

  it('polls few jobs one by one and checks many in bulk', () => {
    expect(planSweep(several(2), CALM)).toMatchObject({ polls: several(2), bulkChecks: [] });
    expect(planSweep(several(3), CALM)).toMatchObject({ polls: [], bulkChecks: several(3) });
    const untrusted = { ...CALM, listingFrom: Infinity };
    expect(planSweep(several(3), untrusted)).toMatchObject({ polls: several(3), bulkChecks: [] });
  });

  it('polls jobs with a trigger or past the maximum age one by one, also among many', () => {
    const marked = [dueJob({ pollSoon: true }), dueJob({ ageSeconds: 100 })];
    const plan = planSweep([...marked, ...several(3)], CALM);
    expect(plan).toMatchObject({ polls: marked, bulkChecks: several(3) });
  });

  it('only expires jobs past the maximum age while Reducto is unavailable', () => {
    const old = dueJob({ ageSeconds: 100 });
    const due = [old, dueJob(), dueJob({ status: 'uncertain' })];
    expect(planSweep(due, { ...CALM, upstreamUnavailable: true })).toEqual({
      searches: [],
      bulkChecks: [],
      polls: [],
      expirations: [old],
    });
  });

  it('puts each job into exactly one list while Reducto is available', () => {
    const anyJob = fc.record({
      id: fc.uuid(),
      status: fc.constantFrom('uncertain', 'submitted'),
      upstreamId: fc.constant('u'),
      polls: fc.nat(20),
      ageSeconds: fc.nat(200),
      sinceSubmitSeconds: fc.nat(200),
      pollSoon: fc.boolean(),
    });
    const anySituation = fc.record({
      upstreamUnavailable: fc.boolean(),
      listingFrom: fc.constantFrom(0, 1, 3, 10, Infinity),
      maxAgeSeconds: fc.constant(100),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(anyJob, { selector: ({ id }) => id }),
        anySituation,
        (due, now) => {
          const placed = Object.values(planSweep(due, now)).flat();
          expect(new Set(placed).size).toBe(placed.length);
          expect(now.upstreamUnavailable || placed.length === due.length).toBe(true);
        },
      ),
    );
  });
});
