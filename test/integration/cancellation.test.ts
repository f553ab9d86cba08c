import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { endCoolDowns } from '../support/rate-limits.js';
import { startRawUpstream, type RawAnswers, type RawUpstream } from '../support/raw-upstream.js';

/* However a job comes to be cancelled, its error says so. */

let gateway: TestGateway;
let upstream: RawUpstream;
let defaults: RawAnswers;
beforeAll(async () => {
  upstream = await startRawUpstream();
  defaults = { ...upstream.answers };
  gateway = await startGateway({ REDUCTO_BASE_URL: upstream.url, NOT_FOUND_GRACE_SECONDS: '0' });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
beforeEach(() => Object.assign(upstream.answers, defaults));
afterEach(() => endCoolDowns(gateway));

const CANCELLED = { status: 'cancelled', error: { code: 'cancelled', retryable: false } };
const cancel = (id: string) => gateway.call('POST', `/v1/jobs/${id}/cancel`);
const statusOf = async (id: string): Promise<string> =>
  (await gateway.call('GET', `/v1/jobs/${id}`)).body.status;
const reached = (id: string, status: string) =>
  eventually(status, async () => ((await statusOf(id)) === status ? true : undefined));

it('cancels a job before its submit at once', async () => {
  upstream.answers.submit = { status: 429, headers: { 'retry-after': '300' }, body: '{}' };
  const id = await gateway.submit();
  await eventually('deferred', async () =>
    (await gateway.events(id)).includes('submit_deferred') ? true : undefined,
  );
  const { body } = await cancel(id);
  expect(body).toMatchObject({ ...CANCELLED, settledBy: 'cancellation' });
  expect(body.reason).toBe(body.error.message);
});

it.each([
  ['as Cancelled', { body: '{"status":"Cancelled"}' }],
  ['as Failed with the name', { body: '{"status":"Failed","error":{"name":"JOB_CANCELLED"}}' }],
  ['as Failed with such a reason', { body: '{"status":"Failed","reason":"Job was cancelled"}' }],
  ['as Failed without a reason', { body: '{"status":"Failed","reason":null,"error":null}' }],
  ['as not found', { status: 404, body: '{}' }],
])('after it was asked for, where Reducto shows it %s', async (_, answer) => {
  const id = await gateway.submit();
  await reached(id, 'submitted');
  upstream.answers.cancel = () => {
    upstream.answers.poll = answer;
    return { body: '{}' };
  };
  await cancel(id);
  expect(await gateway.ended(id)).toMatchObject(CANCELLED);
});

it('cancels a job that was cancelled directly at Reducto', async () => {
  upstream.answers.poll = { body: '{"status":"Cancelled"}' };
  expect(await gateway.ended(await gateway.submit())).toMatchObject({
    ...CANCELLED,
    reason: 'The job was cancelled at Reducto.',
  });
});

const slowGateway = () =>
  startGateway({
    REDUCTO_BASE_URL: upstream.url,
    POLL_SCHEDULE_SECONDS: '600',
    RECONCILE_INTERVAL_SECONDS: '600',
    WEBHOOK_MODE: 'none',
  });

it('polls at once when Reducto refuses the cancel of a job that has completed', async () => {
  const slow = await slowGateway();
  try {
    const id = await slow.submit();
    await eventually('the submit', async () =>
      (await slow.call('GET', `/v1/jobs/${id}`)).body.status === 'submitted' ? true : undefined,
    );
    upstream.answers.cancel = { status: 400, body: '{"detail":"already completed"}' };
    upstream.answers.poll = { body: '{"status":"Completed","result":{"a":1}}' };
    await slow.call('POST', `/v1/jobs/${id}/cancel`);
    expect(await slow.ended(id)).toMatchObject({ status: 'completed', error: null });
  } finally {
    await slow.close();
  }
});

it.each([
  [400, 'Reducto refused to cancel the job (400); the gateway polls it and cancels it again at '],
  [503, 'Reducto answered 503; the gateway polls the job and cancels it again at '],
])('cancels a job again that is open after a cancel was answered %i', async (status, reason) => {
  let asked = 0;
  let accepts = false;
  upstream.answers.cancel = () => {
    asked += 1;
    if (accepts) upstream.answers.poll = { body: '{"status":"Cancelled"}' };
    return accepts ? { body: '{}' } : { status, body: '{"detail":"no"}' };
  };
  const id = await gateway.submit();
  await reached(id, 'submitted');
  await cancel(id);
  await eventually('the reason', async () => {
    const { body } = await gateway.call('GET', `/v1/jobs/${id}`);
    return body.reason?.startsWith(reason) === true ? true : undefined;
  });
  await eventually('another cancel', () => (asked > 2 ? true : undefined));
  accepts = true;
  expect(await gateway.ended(id)).toMatchObject(CANCELLED);
});

it('says of a job whose cancel Reducto accepted that it has not ended yet', async () => {
  const id = await gateway.submit();
  await reached(id, 'submitted');
  await cancel(id);
  await eventually('the reason', async () => {
    const { body } = await gateway.call('GET', `/v1/jobs/${id}`);
    const expected =
      'Reducto accepted the cancel and has not ended the job; the gateway polls it again at ';
    return body.reason?.startsWith(expected) === true ? true : undefined;
  });
  upstream.answers.poll = { body: '{"status":"Cancelled"}' };
  expect(await gateway.ended(id)).toMatchObject(CANCELLED);
});
