import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { UpstreamRateLimiter } from '../../src/reducto/upstream-rate-limiter.js';
import { eventually, type TestGateway } from '../support/gateway.js';
import { pollDue, submitDue } from '../support/due-work.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { endCoolDowns } from '../support/rate-limits.js';
import { startRawUpstream, type RawAnswer, type RawUpstream } from '../support/raw-upstream.js';

/* Reads of the listing that say whether an answer is about one job. No worker runs by itself. */

const FORBIDDEN: RawAnswer = { status: 403, body: '{"detail":"Forbidden"}' };
const JOBS = 6;

let upstream: RawUpstream;
let gateway: TestGateway;
let defaults: RawUpstream['answers'];

beforeAll(async () => {
  upstream = await startRawUpstream();
  defaults = { ...upstream.answers };
  gateway = await startIdleGateway({
    REDUCTO_BASE_URL: upstream.url,
    SUBMIT_CONCURRENCY: '2',
  });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
afterEach(async () => {
  Object.assign(upstream.answers, defaults);
  upstream.requests.length = 0;
  await gateway.pool.query('DELETE FROM jobs');
  await endCoolDowns(gateway);
});

const submitJobs = (): Promise<string[]> =>
  Promise.all(Array.from({ length: JOBS }, () => gateway.submit()));
const statusesOf = async (ids: readonly string[]): Promise<string[]> =>
  Promise.all(ids.map(async (id) => (await gateway.call('GET', `/v1/jobs/${id}`)).body.status));
const readsOf = (start: string): number =>
  upstream.requests.filter(({ method, path }) => method === 'GET' && path.startsWith(start)).length;
const submits = (): number => upstream.requests.filter(({ method }) => method === 'POST').length;

/** Answers like `answer`, once `requests` counts all jobs. */
const whenAll = (requests: () => number, answer: RawAnswer) => async (): Promise<RawAnswer> => {
  await eventually('the requests of all jobs', () => (requests() >= JOBS ? true : undefined));
  return answer;
};

it('submits that Reducto refuses at the same time share the reads of the listing', async () => {
  const ids = await submitJobs();
  upstream.answers.submit = FORBIDDEN;
  upstream.answers.list = whenAll(submits, { body: '{"jobs":[],"next_cursor":null}' });
  await submitDue(gateway, JOBS);
  expect(await statusesOf(ids)).toEqual(ids.map(() => 'failed'));
  expect(readsOf('/jobs')).toBeLessThanOrEqual(2);
});

it('a submit frees its slot before the listing is read', async () => {
  await submitJobs();
  upstream.answers.submit = FORBIDDEN;
  // Two slots send six submits only if none waits for this answer.
  upstream.answers.list = whenAll(submits, { body: '{"jobs":[],"next_cursor":null}' });
  await submitDue(gateway, JOBS);
  expect(submits()).toBe(JOBS);
});

it('the listing is not read beyond the limit of polls', async () => {
  const id = await gateway.submit();
  upstream.answers.submit = FORBIDDEN;
  await get(UpstreamRateLimiter).polls.reportOutcome('unavailable', { retryAfterSeconds: 60 });
  await submitDue(gateway);
  expect(await statusesOf([id])).toEqual(['queued']);
  expect(readsOf('/jobs')).toBe(0);
});

it('polls with unusable answers at the same time share the reads of the listing', async () => {
  const ids = await submitJobs();
  await submitDue(gateway, JOBS);
  await gateway.pool.query(
    `UPDATE jobs SET next_check_at = now(), unusable_since = now() - interval '1 day'`,
  );
  upstream.answers.poll = whenAll(() => readsOf('/job/'), {
    body: 'maintenance',
    headers: { 'content-type': 'text/plain' },
  });
  await pollDue(gateway);
  expect(await statusesOf(ids)).toEqual(ids.map(() => 'failed'));
  expect(readsOf('/jobs')).toBeLessThanOrEqual(2);
});

function get<T>(type: new (...args: never[]) => T): T {
  return gateway.app.get(type, { strict: false });
}
