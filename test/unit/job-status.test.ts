import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  isTerminal,
  JOB_STATUSES,
  predecessorsOf,
  TERMINAL_STATUSES,
  TRANSITIONS,
  type JobStatus,
} from '../../src/jobs/job-status.js';

test('the terminal statuses are completed, failed, cancelled, and expired', () => {
  expect([...TERMINAL_STATUSES].toSorted()).toEqual([
    'cancelled',
    'completed',
    'expired',
    'failed',
  ]);
  for (const status of TERMINAL_STATUSES) expect(TRANSITIONS[status]).toEqual([]);
});

test.each(JOB_STATUSES.filter((status) => !isTerminal(status)))(
  'a %s job can always fail, be cancelled and expire',
  (status) => {
    expect(TRANSITIONS[status]).toEqual(expect.arrayContaining(['failed', 'cancelled', 'expired']));
  },
);

test('only a submitted job completes, and no status follows itself', () => {
  expect(predecessorsOf('completed')).toEqual(['submitted']);
  for (const status of JOB_STATUSES) expect(predecessorsOf(status)).not.toContain(status);
});

test('a job that Reducto has is never submitted again', () => {
  expect(predecessorsOf('queued')).toEqual(['uncertain']);
  expect(TRANSITIONS.submitted).not.toContain('uncertain');
});

test('predecessorsOf inverts the table of transitions', () => {
  const forwards = JOB_STATUSES.flatMap((from) => TRANSITIONS[from].map((to) => `${from}>${to}`));
  const backwards = JOB_STATUSES.flatMap((to) => predecessorsOf(to).map((from) => `${from}>${to}`));
  expect(backwards.toSorted()).toEqual(forwards.toSorted());
});

test('property: a job ends at most once in any order of updates', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...JOB_STATUSES), { maxLength: 60 }), (attempts) => {
      let status: JobStatus = 'queued';
      let ends = 0;
      for (const to of attempts) {
        if (!predecessorsOf(to).includes(status)) continue;
        status = to;
        if (isTerminal(to)) ends += 1;
      }
      expect(ends).toBe(isTerminal(status) ? 1 : 0);
    }),
  );
});
