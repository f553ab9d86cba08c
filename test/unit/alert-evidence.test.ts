import { expect, it } from 'vitest';
import { assertedIds, toRefusalEvidence, type KnownState } from '../../src/alerts/evidence.js';
import type { RecentRefusal } from '../../src/audit/recent-refusals.js';
import type { AssertedJob } from '../../src/jobs/awaiting-callback.service.js';
import { ago, NOW } from '../support/detection-inputs.js';

const ID = '01900000-0000-7000-8000-000000000001';

const refusal = (some: Partial<RecentRefusal> = {}): RecentRefusal => ({
  id: '1',
  at: ago(30),
  cause: 'token_invalid',
  count: 1,
  addresses: { '198.51.100.1': 1 },
  forwarded: false,
  allowed: false,
  wellFormed: true,
  secret: 'fail',
  secretCause: 'token_invalid',
  tried: 'token key 1',
  assertedJobId: ID,
  assertedUpstreamId: 'up',
  sample: null,
  ...some,
});
const job = (some: Partial<AssertedJob> = {}): AssertedJob => ({
  id: ID,
  upstreamId: 'up',
  createdAt: ago(300),
  endedAt: null,
  foundEnded: false,
  foundOpenAt: null,
  ...some,
});
const known = (jobs: readonly AssertedJob[], some: Partial<KnownState> = {}): KnownState => ({
  jobs,
  jobsWithCallback: new Set(),
  senders: new Set(),
  now: NOW,
  ...some,
});

it.each<[string, string | undefined, KnownState]>([
  ['is not ours', 'unknown', known([])],
  ['waits', 'waiting', known([job()])],
  ['got a callback after all', undefined, known([job()], { jobsWithCallback: new Set([ID]) })],
  ['was still running right before', 'waiting', known([job({ foundOpenAt: ago(31) })])],
  ['was still running at the same time', 'waiting', known([job({ foundOpenAt: ago(26) })])],
  ['was still running later', undefined, known([job({ foundOpenAt: ago(20) })])],
  ['had ended as it says', 'ended', known([job({ foundEnded: true, endedAt: ago(12) })])],
  ['has ended a moment ago', 'waiting', known([job({ foundEnded: true, endedAt: ago(5) })])],
  ['ended right before', 'ended', known([job({ foundEnded: true, endedAt: ago(80) })])],
  ['had ended long before', undefined, known([job({ foundEnded: true, endedAt: ago(100) })])],
  ['was cancelled', 'waiting', known([job({ endedAt: ago(12) })])],
])('a refusal whose job %s', (_, state, around) => {
  expect(toRefusalEvidence([refusal()], around).map((one) => one.job?.state)).toEqual([state]);
});

it('finds the job by its id at Reducto where the other is absent', () => {
  const [found] = toRefusalEvidence([refusal({ assertedJobId: null })], known([job()]));
  expect(found?.job).toEqual({ id: ID, state: 'waiting' });
});

it('finds the job in a body that could not be read', () => {
  const sample = `{"metadata":{"gateway_job_id":"${ID.toUpperCase()}"`;
  const unread = refusal({ assertedJobId: null, assertedUpstreamId: null, sample });
  expect(assertedIds(unread).ids).toEqual([ID]);
  expect(toRefusalEvidence([unread], known([job()])).map((one) => one.job?.state)).toEqual([
    'waiting',
  ]);
});

it('does not place a refusal before its job: then the clock was wrong', () => {
  const [found] = toRefusalEvidence([refusal({ at: ago(30_000) })], known([job()]));
  expect(found?.at).toEqual(ago(300));
});

it('says of the secret only what was checked', () => {
  const of = (some: Partial<RecentRefusal>) => {
    const [found] = toRefusalEvidence([refusal(some)], known([]));
    return [found?.secret, found?.secretCause];
  };
  const cause = 'address_not_allowed';
  expect(of({ cause, secret: 'pass', secretCause: null })).toEqual(['right', undefined]);
  expect(of({ cause })).toEqual(['wrong', 'token_invalid']);
  expect(of({ cause, wellFormed: false })).toEqual(['unknown', undefined]);
  expect(of({ cause: 'not_json', secret: 'not_checked' })).toEqual(['unknown', undefined]);
  expect(of({})).toEqual(['wrong', undefined]);
});

it('takes apart by address what was only counted, and knows the senders', () => {
  const counted = refusal({
    count: 9,
    addresses: { a: 5, b: 3 },
    assertedJobId: null,
    assertedUpstreamId: null,
    secret: null,
  });
  const found = toRefusalEvidence([counted], known([], { senders: new Set(['b']) }));
  expect(
    found.map(({ address, count, fromKnownSender }) => [address, count, fromKnownSender]),
  ).toEqual([
    ['a', 5, false],
    ['b', 3, true],
  ]);
});
