import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MISCONFIGURATIONS } from '../../src/alerts/alert-kinds.js';
import { detect, jobsToExpedite } from '../../src/alerts/detect.js';
import type { DetectionInput, RefusalEvidence } from '../../src/alerts/detection-input.js';
import { REFUSAL_CAUSES } from '../../src/audit/refusal.js';
import { ago, missed, NOW, inputWith, refusalEvidence } from '../support/detection-inputs.js';

const kinds = (found: DetectionInput): string[] => detect(found).map(({ kind }) => kind);
const BUSY = { inTwoMinutes: 200, inTenMinutes: 1000, inSixtyMinutes: 6000, hourBefore: 6000 };
const SAME_JOB = { job: { id: 'a', state: 'ended' } } as const;

describe('refused callbacks of waiting jobs', () => {
  it.each<[string, string[], DetectionInput]>([
    ['no refusal', [], inputWith([])],
    ['one job, once', [], inputWith(missed(1))],
    ['one job whose callback is repeated', ['token_key'], inputWith(missed(3, SAME_JOB))],
    ['one job, repeated twice', [], inputWith(missed(2, SAME_JOB))],
    [
      'one job, repeated, while others are accepted',
      [],
      inputWith(missed(9, SAME_JOB), { accepted: { lastAt: ago(1), inTwoMinutes: 1 } }),
    ],
    ['two jobs', ['token_key'], inputWith(missed(2))],
    [
      'three jobs within the hour, nothing accepted since',
      ['token_key'],
      inputWith(
        [2900, 1600, 20].flatMap((seconds) => missed(1, { at: ago(seconds) })),
        {
          accepted: { lastAt: ago(3000), inSixtyMinutes: 3 },
        },
      ),
    ],
    ['two jobs more than an hour ago', [], inputWith(missed(2, { at: ago(3700) }))],
    [
      'three old jobs among many new ones that are accepted: the old key was dropped too early',
      ['token_key'],
      inputWith(missed(3), { accepted: { ...BUSY, lastAt: ago(1) } }),
    ],
    ['two of them', [], inputWith(missed(2), { accepted: { ...BUSY, lastAt: ago(1) } })],
    [
      'three that are not polled yet, just now',
      [],
      inputWith(missed(3, { job: undefined }).map((one, n) => waiting(one, n, 10))),
    ],
    [
      'three that are still not polled after a minute',
      ['token_key'],
      inputWith(missed(3).map((one, n) => waiting(one, n, 61))),
    ],
    [
      'three that are not polled after a minute, a fifth of all',
      ['token_key'],
      inputWith(
        missed(3).map((one, n) => waiting(one, n, 61)),
        {
          accepted: { inTwoMinutes: 12, lastAt: ago(1) },
        },
      ),
    ],
    [
      'three that are not polled after a minute, less than a fifth of all',
      [],
      inputWith(
        missed(3).map((one, n) => waiting(one, n, 61)),
        {
          accepted: { inTwoMinutes: 13, inTenMinutes: 13, inSixtyMinutes: 13, lastAt: ago(1) },
        },
      ),
    ],
    [
      'three that are not polled after a minute, and many counted ones of the same sender',
      ['token_key'],
      inputWith(
        [
          ...missed(3).map((one, n) => waiting(one, n, 61)),
          refusalEvidence({ count: 50, secret: 'unknown' }),
        ],
        { accepted: { ...BUSY, lastAt: ago(1) } },
      ),
    ],
    [
      'with a valid secret, without a poll',
      ['source_address'],
      inputWith(
        missed(2, { cause: 'address_not_allowed', secret: 'right' }).map((one, n) =>
          waiting(one, n, 1),
        ),
      ),
    ],
    [
      'with a wrong address and a wrong secret',
      ['source_address', 'token_key'],
      inputWith(missed(2, { cause: 'address_not_allowed', secretCause: 'token_invalid' })),
    ],
    [
      'before the last alert of the kind was closed',
      [],
      inputWith(missed(9), { closed: new Map([['token_key', ago(5)]]) }),
    ],
    [
      'before the last alert of another kind was closed',
      ['token_key'],
      inputWith(missed(9), { closed: new Map([['clock', ago(5)]]) }),
    ],
  ])('%s: %j', (_, expected, found) => {
    expect(kinds(found)).toEqual(expected);
  });

  it.each(REFUSAL_CAUSES.map((cause) => [cause]))(
    '%s leads to one kind of alert with advice',
    (cause) => {
      const found = detect(inputWith(missed(3, { cause, secret: 'right' })));
      expect(found).toHaveLength(1);
      expect(MISCONFIGURATIONS).toContain(found[0]?.kind);
      expect(found[0]?.message).toContain(
        'In the last 2 minutes 3 were refused for 3 jobs and 0 accepted; in the hour before, 0 and 0. 5 jobs wait.',
      );
      expect(found[0]?.advice).toMatch(/^[A-Z].{40,}\.$/);
    },
  );

  it('are all counted, with the time of the last one', () => {
    const refusals = [
      ...missed(2, { at: ago(100) }),
      ...missed(3, { at: ago(40) }),
      refusalEvidence(),
    ];
    const [found] = detect(inputWith(refusals, { accepted: { hourBefore: 7 } }));
    expect(found).toMatchObject({
      evidence: { refusals: 5, jobs: 5, waitingJobs: 5, hourBefore: { accepted: 7, refused: 0 } },
      lastSeenAt: ago(40),
    });
  });

  it('of a clock that is ahead are not dated in the future', () => {
    const [found] = detect(inputWith(missed(2, { at: ago(-600) })));
    expect(found?.lastSeenAt).toEqual(NOW);
  });
});

describe('callbacks with a valid secret for unknown jobs', () => {
  const strange = (count: number, some: Partial<RefusalEvidence> = {}): RefusalEvidence[] =>
    missed(count, { cause: 'job_unknown', secret: 'right', ...some }).map((one, n) => ({
      ...one,
      job: { id: some.job?.id ?? `job ${n}`, state: 'unknown' },
    }));

  it.each<[string, string[], DetectionInput]>([
    ['three', ['job_unknown'], inputWith(strange(3))],
    ['two', [], inputWith(strange(2))],
    ['one, repeated', [], inputWith(strange(9, SAME_JOB))],
    ['with a wrong secret', [], inputWith(strange(9, { secret: 'wrong' }))],
    ['from a wrong address', [], inputWith(strange(9, { cause: 'address_not_allowed' }))],
  ])('%s: %j', (_, expected, found) => {
    expect(kinds(found)).toEqual(expected);
  });
});

describe('known senders that are refused where genuine callbacks used to be accepted', () => {
  const from = { cause: 'not_json', fromKnownSender: true, secret: 'unknown' } as const;
  const stopped = { inTenMinutes: 40, inSixtyMinutes: 290, hourBefore: 300, lastAt: ago(130) };

  it.each<[string, string[], DetectionInput]>([
    [
      'about as many',
      ['form'],
      inputWith([refusalEvidence({ ...from, count: 5 })], { accepted: stopped }),
    ],
    ['far fewer', [], inputWith([refusalEvidence({ ...from, count: 4 })], { accepted: stopped })],
    [
      'while callbacks are accepted',
      [],
      inputWith([refusalEvidence({ ...from, count: 500 })], {
        accepted: { ...stopped, inTwoMinutes: 1, lastAt: ago(1) },
      }),
    ],
    [
      'while no job waits',
      [],
      inputWith([refusalEvidence({ ...from, count: 500 })], { accepted: stopped, waitingJobs: 0 }),
    ],
    [
      'if hardly any were expected',
      [],
      inputWith([refusalEvidence({ ...from, count: 500 })], {
        accepted: { ...stopped, inTenMinutes: 0, inSixtyMinutes: 19, hourBefore: 20 },
      }),
    ],
    [
      'as often as before',
      [],
      inputWith([refusalEvidence({ ...from, count: 15 })], {
        accepted: stopped,
        totals: [{ cause: 'not_json', inTenMinutes: 15, hourBefore: 240, lastAt: NOW }],
      }),
    ],
    [
      'from unknown senders',
      [],
      inputWith([refusalEvidence({ ...from, fromKnownSender: false, count: 500 })], {
        accepted: stopped,
      }),
    ],
  ])('%s: %j', (_, expected, found) => {
    expect(kinds(found)).toEqual(expected);
  });
});

describe('refusals of unknown senders', () => {
  const flood = (count: number) =>
    [{ cause: 'token_missing', inTenMinutes: count, hourBefore: 0, lastAt: ago(3) }] as const;

  it.each<[string, string[], DetectionInput]>([
    ['some', [], inputWith([refusalEvidence()], { totals: flood(299) })],
    ['many', ['attack'], inputWith([refusalEvidence()], { totals: flood(300) })],
    [
      'many, beside a misconfiguration',
      ['token_key'],
      inputWith(missed(3), { totals: flood(900) }),
    ],
    [
      'many, while an alert is open',
      [],
      inputWith([], { totals: flood(900), open: new Set(['token_key']) }),
    ],
    [
      'many, right after one was closed',
      [],
      inputWith([], { totals: flood(900), closed: new Map([['token_key', ago(500)]]) }),
    ],
    [
      'many, long after one was closed',
      ['attack'],
      inputWith([], { totals: flood(900), closed: new Map([['token_key', ago(700)]]) }),
    ],
  ])('%s: %j', (_, expected, found) => {
    expect(kinds(found)).toEqual(expected);
  });

  const unattestedRefusals = fc.array(
    fc.record({
      at: fc.nat(7000).map(ago),
      cause: fc.constantFrom(...REFUSAL_CAUSES),
      count: fc.nat(10_000),
      address: fc.ipV4(),
      secret: fc.constantFrom('wrong' as const, 'unknown' as const),
      job: fc.option(
        fc.uuid().map((id) => ({ id, state: 'unknown' as const })),
        { nil: undefined },
      ),
    }),
  );
  const any = fc.record({
    hourBefore: fc.nat(100_000),
    inTwoMinutes: fc.nat(1000),
    lastAt: fc.option(fc.nat(7000).map(ago), { nil: null }),
  });

  it('never cause a misconfiguration alert, whatever they send and however busy the gateway is', () => {
    fc.assert(
      fc.property(unattestedRefusals, any, fc.nat(1000), (refusals, accepted, waitingJobs) => {
        const found = inputWith(refusals.map(refusalEvidence), { accepted, waitingJobs });
        expect(kinds(found)).toEqual([]);
      }),
    );
  });

  it('do not hide a misconfiguration', () => {
    fc.assert(
      fc.property(unattestedRefusals, fc.constantFrom(...REFUSAL_CAUSES), (refusals, cause) => {
        const genuine = missed(3, { cause, secret: 'right' });
        const alone = kinds(inputWith(genuine));
        expect(kinds(inputWith([...refusals.map(refusalEvidence), ...genuine]))).toEqual(alone);
      }),
    );
  });
});

it('expedites jobs whose callbacks were refused recently and that were not polled', () => {
  const refusals = [
    ...missed(1),
    waiting(refusalEvidence(), 1, 5),
    waiting(refusalEvidence(), 1, 6),
    waiting(refusalEvidence(), 2, 61),
    refusalEvidence({ job: { id: 'x', state: 'unknown' } }),
    refusalEvidence(),
  ];
  expect(jobsToExpedite(inputWith(refusals))).toEqual(['job 1']);
});

/** Nobody knows yet whether the job has ended. */
function waiting(one: RefusalEvidence, n: number, seconds: number): RefusalEvidence {
  return { ...one, at: ago(seconds), job: { id: `job ${n}`, state: 'waiting' } };
}
