import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { startRawUpstream, type RawAnswers, type RawUpstream } from '../support/raw-upstream.js';
import { endCoolDowns } from '../support/rate-limits.js';
import { acceptRows, refuseRows } from '../support/refusing-database.js';

/* What Reducto answers may be any text. None of it keeps a job open, and none makes a second job. */

let gateway: TestGateway;
let upstream: RawUpstream;
let defaults: RawAnswers;
beforeAll(async () => {
  upstream = await startRawUpstream();
  defaults = { ...upstream.answers };
  gateway = await startGateway({ REDUCTO_BASE_URL: upstream.url });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
beforeEach(async () => {
  await endCoolDowns(gateway);
  Object.assign(upstream.answers, defaults);
  upstream.requests.length = 0;
  gateway.logs.length = 0;
});

const submits = () => upstream.requests.filter(({ path }) => path.endsWith('_async')).length;
const errorLines = () => gateway.logs.filter((line) => line.includes('"level":"error"'));

/** As they stand in the JSON of an answer. */
const TEXTS = [
  ['a pair that the cut would split', `${'x'.repeat(998)}😀${'y'.repeat(50)}`],
  ['pairs in a name that the cut would split', `${'n'.repeat(98)}😀😀`],
  ['a lone high surrogate', '\\ud83d'],
  ['a lone low surrogate in the middle', 'a\\ude00b'],
  ['NUL', 'a\\u0000b'],
  ['escape sequences of terminals', 'a\\u001b[31mb\\u009b'],
  ['a megabyte', '😀'.repeat(250_000)],
] as const;

describe('a job that Reducto failed ends once as failed', () => {
  it.each(TEXTS)('where reason and error hold %s', async (_, text) => {
    upstream.answers.poll = {
      body: `{"status":"Failed","reason":"${text}","error":{"name":"${text}","message":"${text}"}}`,
    };
    const id = await gateway.submit();
    const job = await gateway.ended(id);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'failed_upstream' } });
    expect(job.error.message.isWellFormed()).toBe(true);
    expect(job.error.message.length).toBeLessThanOrEqual(1000);
    expect(job.error.upstreamName.length).toBeLessThanOrEqual(100);
    expect((await gateway.events(id)).filter((type) => type === 'failed')).toHaveLength(1);
  });
});

describe('a job whose submit Reducto refused ends once as failed, and is not sent again', () => {
  it.each(TEXTS)('where the answer holds %s', async (_, text) => {
    upstream.answers.submit = {
      status: 422,
      body: `{"detail":[{"loc":["body","${text}"],"msg":"${text}"}]}`,
    };
    const job = await gateway.ended(await gateway.submit());
    expect(job).toMatchObject({ status: 'failed', error: { code: 'rejected_upstream' } });
    expect(job.error.message.isWellFormed()).toBe(true);
    expect(submits()).toBe(1);
  });
});

it.each(TEXTS)('a submit that is deferred with %s is sent again', async (_, text) => {
  let asked = 0;
  upstream.answers.submit = () =>
    (asked += 1) === 1
      ? { status: 429, body: `{"error":{"name":"${text}","message":"${text}"}}` }
      : { status: 422, body: '{}' };
  expect(await gateway.ended(await gateway.submit())).toMatchObject({ status: 'failed' });
  expect(submits()).toBe(2);
});

it.each(TEXTS)('a job whose polls fail with %s continues to be polled', async (_, text) => {
  let asked = 0;
  upstream.answers.poll = () =>
    (asked += 1) < 3
      ? { status: 409, body: `{"detail":"${text}"}` }
      : { body: '{"status":"Failed"}' };
  expect(await gateway.ended(await gateway.submit())).toMatchObject({ status: 'failed' });
});

it('a callback whose status holds NUL and lone surrogates is kept', async () => {
  upstream.answers.poll = { body: '{"status":"Pending"}' };
  const id = await gateway.submit();
  const upstreamId = await eventually('the submit', async () => {
    const { rows } = await gateway.pool.query('SELECT upstream_id FROM jobs WHERE id = $1', [id]);
    return rows[0].upstream_id ?? undefined;
  });
  const token = gateway.tokens.signJobId(id);
  const metadata = `{"gateway_job_id":"${id}","token":"${token}"}`;
  const body = `{"status":"a\\u0000\\ud83d","job_id":"${upstreamId}","metadata":${metadata}}`;
  const headers = { 'content-type': 'application/json' };
  expect((await gateway.call('POST', '/webhooks/reducto', body, headers)).status).toBe(200);
  await expect.poll(() => gateway.events(id)).toContain('callback_received');
  upstream.answers.poll = { body: '{"status":"Failed"}' };
  await gateway.ended(id);
});

describe('where PostgreSQL refuses an outcome', () => {
  let table = '';
  const refuse = async (name: string, condition: string): Promise<void> => {
    table = name;
    await refuseRows(gateway.pool, name, condition);
  };
  afterEach(() => acceptRows(gateway.pool, table));

  it.each([
    ['that the job is still open', '{"status":"Pending"}', 'job_events', `NEW.type = 'polled'`],
    [
      'that the job completed',
      '{"status":"Completed","result":{}}',
      'jobs',
      `NEW.status = 'completed'`,
    ],
    ['that the job was cancelled', '{"status":"Cancelled"}', 'jobs', `NEW.status = 'cancelled'`],
  ])(
    'of a poll, %s, the job fails with a plain reason and one line in the log',
    async (_, body, name, condition) => {
      upstream.answers.poll = { body };
      await refuse(name, condition);
      const job = await gateway.ended(await gateway.submit());
      expect(job).toMatchObject({
        status: 'failed',
        error: { code: 'upstream_unusable', retryable: true },
      });
      expect(errorLines()).toHaveLength(1);
      const { rows } = await gateway.pool.query('SELECT count(*)::int AS n FROM result_chunks');
      expect(rows).toEqual([{ n: 0 }]);
      expect(gateway.logs.join('\n')).not.toContain('refused:');
    },
  );

  it.each(['result_chunks', 'job_results'])(
    'of a download, in %s, the job fails and keeps no part of its result',
    async (refusing) => {
      upstream.answers.poll = { body: '{"status":"Completed","result":{}}' };
      await refuse(refusing, 'true');
      const job = await gateway.ended(await gateway.submit());
      expect(job).toMatchObject({ status: 'failed', error: { code: 'upstream_unusable' } });
      expect(errorLines()).toHaveLength(1);
      const { rows } = await gateway.pool.query('SELECT count(*)::int AS n FROM result_chunks');
      expect(rows).toEqual([{ n: 0 }]);
    },
  );

  it('of a rejected submit, the job fails and is not sent again', async () => {
    upstream.answers.submit = { status: 422, body: '{"detail":"no"}' };
    await refuse('jobs', `NEW.error ->> 'code' = 'rejected_upstream'`);
    const job = await gateway.ended(await gateway.submit());
    expect(job).toMatchObject({ status: 'failed', error: { code: 'upstream_unusable' } });
    expect(submits()).toBe(1);
    expect(errorLines()).toHaveLength(1);
  });

  it('of a job that did not reach Reducto by its maximum age, the job fails', async () => {
    upstream.answers.submit = { status: 429, headers: { 'retry-after': '300' }, body: '{}' };
    const id = await gateway.submit();
    await expect.poll(() => gateway.events(id)).toContain('submit_deferred');
    await refuse('jobs', `NEW.status = 'expired'`);
    await gateway.pool.query(
      `UPDATE jobs SET created_at = now() - interval '2 days', next_check_at = now() WHERE id = $1`,
      [id],
    );
    await endCoolDowns(gateway);
    expect(await gateway.ended(id)).toMatchObject({
      status: 'failed',
      error: {
        code: 'max_age_exceeded',
        message:
          'The gateway’s database refuses to store the job’s state. The job was not sent to Reducto.',
        retryable: true,
      },
    });
    expect(errorLines()).toHaveLength(1);
    expect(gateway.logs.join('\n')).not.toContain('refused:');
    expect(submits()).toBe(1);
  });

  it('of the beginning of an attempt, the job fails and the others are sent', async () => {
    upstream.answers.submit = { status: 429, headers: { 'retry-after': '300' }, body: '{}' };
    const ids = await Promise.all(Array.from({ length: 5 }, () => gateway.submit()));
    // The first answer pauses the rest.
    const leased = async (): Promise<number> =>
      (await gateway.pool.query('SELECT FROM jobs WHERE lease IS NOT NULL')).rowCount ?? 0;
    await expect.poll(async () => submits() > 0 && (await leased()) === 0).toBe(true);
    const before = submits();
    await refuse(
      'jobs',
      `NEW.id = '${ids[2]}' AND NEW.status = 'queued' AND NEW.submit_started_at IS NOT NULL`,
    );
    upstream.answers.submit = { status: 422, body: '{"detail":"no"}' };
    await gateway.pool.query(`UPDATE jobs SET next_check_at = now() WHERE id = ANY ($1)`, [ids]);
    await endCoolDowns(gateway);
    for (const id of ids) {
      const code = id === ids[2] ? 'max_age_exceeded' : 'rejected_upstream';
      expect(await gateway.ended(id)).toMatchObject({ status: 'failed', error: { code } });
    }
    expect(errorLines()).toHaveLength(1);
    expect(submits() - before).toBe(4);
  });

  it('of an uncertain submit, the job fails and is not sent again', async () => {
    upstream.answers.submit = { status: 502 };
    await refuse('jobs', `NEW.status = 'uncertain'`);
    const job = await gateway.ended(await gateway.submit());
    expect(job).toMatchObject({ status: 'failed', error: { code: 'upstream_unusable' } });
    expect(submits()).toBe(1);
  });

  it('of a search for an uncertain submit, the other jobs are resolved', async () => {
    upstream.answers.submit = { status: 429, headers: { 'retry-after': '300' }, body: '{}' };
    upstream.answers.list = { status: 404, body: '{}' };
    const poisoned = await gateway.submit();
    await expect.poll(() => gateway.events(poisoned)).toContain('submit_deferred');
    await refuse('job_events', `NEW.job_id = '${poisoned}' AND NEW.type = 'polled'`);
    upstream.answers.submit = { status: 502 };
    await gateway.pool.query(`UPDATE jobs SET next_check_at = now() WHERE id = $1`, [poisoned]);
    await endCoolDowns(gateway);
    const others = await Promise.all([gateway.submit(), gateway.submit()]);
    expect(await gateway.ended(poisoned)).toMatchObject({ error: { code: 'upstream_unusable' } });
    for (const id of others) {
      expect(await gateway.ended(id)).toMatchObject({ error: { code: 'submit_outcome_unknown' } });
    }
  });
});

it('a submit that gets the upstream id of another job fails, and is not sent again', async () => {
  upstream.answers.submit = { body: '{"job_id":"the_same"}' };
  const first = await gateway.submit();
  await expect.poll(() => gateway.events(first)).toContain('submitted');
  const second = await gateway.ended(await gateway.submit());
  expect(second).toMatchObject({ status: 'failed', error: { code: 'submit_outcome_unknown' } });
  expect(submits()).toBe(2);
  expect((await gateway.call('GET', `/v1/jobs/${first}`)).body.status).toBe('submitted');
});
