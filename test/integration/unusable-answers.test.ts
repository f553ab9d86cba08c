import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { metricValue } from '../support/metrics.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { endCoolDowns } from '../support/rate-limits.js';
import {
  startRawUpstream,
  type RawAnswer,
  type RawAnswers,
  type RawUpstream,
} from '../support/raw-upstream.js';

/* Answers 200 to a poll that are no job: the job's own fault, or that of whatever answers for Reducto. */

const GRACE_SECONDS = 3;

let gateway: TestGateway;
let upstream: RawUpstream;
let defaults: RawAnswers;
beforeAll(async () => {
  upstream = await startRawUpstream();
  defaults = { ...upstream.answers };
  gateway = await startGateway({
    REDUCTO_BASE_URL: upstream.url,
    RESULT_GRACE_SECONDS: String(GRACE_SECONDS),
  });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
beforeEach(() => Object.assign(upstream.answers, defaults));

const COMPLETED = '{"status":"Completed","result":{"a":1}}';
const COMPRESSED = { 'content-type': 'application/json', 'content-encoding': 'gzip' };

const UNUSABLE: [string, RawAnswer][] = [
  ['with NaN', { body: '{"status":"Completed","result":{"confidence":NaN}}' }],
  ['with Infinity', { body: '{"result":{"a":-Infinity},"status":"Completed"}' }],
  ['cut within the result', { body: COMPLETED.slice(0, 30) }],
  ['cut within the status', { body: COMPLETED.slice(0, 14) }],
  ['followed by another', { body: COMPLETED + COMPLETED }],
  ['that is an array', { body: '[{"status":"Completed"}]' }],
  ['that is a string', { body: '"Completed"' }],
  ['that is null', { body: 'null' }],
  ['without a status', { body: '{"result":{}}' }],
  ['whose status is a number', { body: '{"status":3}' }],
  ['that is plain text', { body: 'Completed', headers: { 'content-type': 'text/plain' } }],
  ['that is empty', { body: '' }],
  ['of gzip without its end', { body: gzipSync(COMPLETED).subarray(0, 20), headers: COMPRESSED }],
  ['that says gzip and is not', { body: COMPLETED, headers: COMPRESSED }],
];

const answersOf = async (id: string): Promise<string[]> => {
  const { body } = await gateway.call('GET', `/v1/jobs/${id}/events`);
  return body.events.map(({ detail }: { detail: { answer?: string } }) => detail.answer ?? '');
};

describe('a job whose answer is unusable is polled for RESULT_GRACE_SECONDS, then fails', () => {
  it.concurrent.each(UNUSABLE)('%s', async (_, answer) => {
    const own = await startRawUpstream({ poll: answer });
    const other = await startGateway({
      REDUCTO_BASE_URL: own.url,
      RESULT_GRACE_SECONDS: String(GRACE_SECONDS),
    });
    try {
      const id = await other.submit();
      const job = await other.ended(id);
      expect(job).toMatchObject({
        status: 'failed',
        settledBy: 'reconciler',
        error: { code: 'result_unavailable', retryable: true },
      });
      expect(Date.parse(job.endedAt) - Date.parse(job.submittedAt)).toBeGreaterThan(
        GRACE_SECONDS * 1000,
      );
      expect((await other.events(id)).filter((type) => type === 'polled').length).toBeGreaterThan(
        0,
      );
    } finally {
      await other.close();
      await own.close();
    }
  });
});

it('a job whose inline result is larger than 64 MiB fails with the limit and a workaround', async () => {
  const before = await metricValue(gateway, 'gateway_upstream_cool_downs_total');
  const filler = Buffer.alloc(1024 * 1024, 'x');
  upstream.answers.poll = {
    body: ['{"status":"Completed","result":"', ...Array.from({ length: 64 }, () => filler), '"}'],
  };
  expect(await gateway.ended(await gateway.submit())).toMatchObject({
    status: 'failed',
    error: {
      code: 'result_unavailable',
      message:
        'Reducto’s answer about the job has more than 64 MiB, the limit for a result within an answer. ' +
        'Submit the job with `settings.force_url_result`: the limit is then RESULT_MAX_BYTES.',
    },
  });
  expect(await metricValue(gateway, 'gateway_upstream_cool_downs_total')).toBe(before);
});

it('a job with a briefly unusable answer completes', async () => {
  let asked = 0;
  upstream.answers.poll = () => ({ body: (asked += 1) < 2 ? COMPLETED.slice(0, 30) : COMPLETED });
  const id = await gateway.submit();
  expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
  expect(await answersOf(id)).toContain('unusable');
});

it('an unusable answer about one job starts no cool-down', async () => {
  const before = await metricValue(gateway, 'gateway_upstream_cool_downs_total');
  upstream.answers.poll = { body: '{"status":"Completed","result":NaN}' };
  const id = await gateway.submit();
  expect(await gateway.ended(id)).toMatchObject({ status: 'failed' });
  expect(await metricValue(gateway, 'gateway_upstream_cool_downs_total')).toBe(before);
});

it.each([
  ['JSON', { body: '{"message":"Sign in first"}' }],
  ['text', { body: 'maintenance', headers: { 'content-type': 'text/plain' } }],
  ['a page', { body: '<p>Sign in</p>', headers: { 'content-type': 'text/html' } }],
])('no job fails where a proxy answers every request with 200 and %s', async (_, answer) => {
  upstream.answers.poll = answer;
  upstream.answers.list = answer;
  const ids = await Promise.all([gateway.submit(), gateway.submit()]);
  // Each such answer prolongs the cool-down.
  const fewestPolls = async (): Promise<number> => {
    await endCoolDowns(gateway);
    const { rows } = await gateway.pool.query(
      'SELECT min(polls)::integer AS fewest FROM jobs WHERE id = ANY ($1::uuid[])',
      [ids],
    );
    return rows[0].fewest;
  };
  await expect.poll(fewestPolls).toBeGreaterThan(0);
  await gateway.pool.query(
    `UPDATE jobs SET unusable_since = now() - interval '1 hour' WHERE id = ANY ($1::uuid[])`,
    [ids],
  );
  const before = await fewestPolls();
  // One poll each may have begun before the update.
  await expect.poll(fewestPolls).toBeGreaterThan(before + 1);
  expect((await gateway.call('GET', `/v1/jobs/${ids[0]}`)).body.status).toBe('submitted');
  upstream.answers.poll = { body: COMPLETED };
  upstream.answers.list = defaults.list;
  for (const id of ids) {
    await endCoolDowns(gateway);
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
  }
});
