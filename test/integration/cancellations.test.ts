import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { startRawUpstream, type RawAnswers, type RawUpstream } from '../support/raw-upstream.js';

/* However a job comes to be cancelled, its error says so. */

let gateway: TestGateway;
let upstream: RawUpstream;
let defaults: RawAnswers;
beforeAll(async () => {
  upstream = await startRawUpstream();
  defaults = { ...upstream.answers };
  gateway = await startGateway({ REDUCTO_BASE_URL: upstream.url, GONE_GRACE_SECONDS: '0' });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
beforeEach(() => Object.assign(upstream.answers, defaults));

const CANCELLED = { status: 'cancelled', error: { code: 'cancelled', retryable: false } };
const cancel = (id: string) => gateway.call('POST', `/v1/jobs/${id}/cancel`);
const statusOf = async (id: string): Promise<string> =>
  (await gateway.call('GET', `/v1/jobs/${id}`)).body.status;
const reached = (id: string, status: string) =>
  eventually(status, async () => ((await statusOf(id)) === status ? true : undefined));

it('before the submit: the answer to the cancel says so at once', async () => {
  upstream.answers.submit = { status: 429, headers: { 'retry-after': '300' }, body: '{}' };
  const id = await gateway.submit();
  await eventually('put off', async () =>
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

it('found cancelled at Reducto, though nobody asked here', async () => {
  upstream.answers.poll = { body: '{"status":"Cancelled"}' };
  expect(await gateway.ended(await gateway.submit())).toMatchObject({
    ...CANCELLED,
    reason: 'The job was cancelled at Reducto.',
  });
});
