import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DeletionWork } from '../../src/jobs/deletion/deletion.work.js';
import { ApiKeyStatus } from '../../src/reducto/api-key-status.js';
import { ReductoClient } from '../../src/reducto/reducto.client.js';
import { UpstreamRateLimiter } from '../../src/reducto/upstream-rate-limiter.js';
import { eventually, type Answer, type TestGateway } from '../support/gateway.js';
import { cancelDue, pollDue, submitDue } from '../support/due-work.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { endCoolDowns } from '../support/rate-limits.js';
import { startRawUpstream, type RawAnswer, type RawUpstream } from '../support/raw-upstream.js';

/* Reducto refuses the API key of the gateway: the jobs are good. No worker runs by itself. */

const REFUSED: RawAnswer = { status: 401, body: '{"detail":"Invalid API key"}' };
const PAGE: RawAnswer = {
  status: 403,
  headers: { 'content-type': 'text/html' },
  body: '<html><title>403 Forbidden</title></html>',
};

let upstream: RawUpstream;
let gateway: TestGateway;
let defaults: RawUpstream['answers'];
const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });

beforeAll(async () => {
  upstream = await startRawUpstream();
  defaults = { ...upstream.answers };
  gateway = await startIdleGateway({ REDUCTO_BASE_URL: upstream.url });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
afterEach(async () => {
  Object.assign(upstream.answers, defaults);
  await gateway.pool.query('DELETE FROM jobs; DELETE FROM upstream_deletions');
  await endCoolDowns(gateway);
  await get(ReductoClient).listJobs(null, false, 1);
  upstream.requests.length = 0;
});

const jobOf = async (id: string): Promise<Answer['body']> =>
  (await gateway.call('GET', `/v1/jobs/${id}`)).body;

/** Sends what is due, as if all deferrals were over. */
async function submitAgain(): Promise<void> {
  await gateway.pool.query(`UPDATE jobs SET next_check_at = now() WHERE status = 'queued'`);
  await endCoolDowns(gateway);
  await submitDue(gateway);
}

async function submitted(): Promise<string> {
  const id = await gateway.submit();
  await submitDue(gateway);
  expect((await jobOf(id)).status).toBe('submitted');
  await gateway.pool.query('UPDATE jobs SET next_check_at = now()');
  return id;
}

describe('a submit that is answered with 401', () => {
  it('waits until Reducto accepts the key', async () => {
    upstream.answers.submit = REFUSED;
    const id = await gateway.submit();
    await submitDue(gateway);
    expect(await jobOf(id)).toMatchObject({
      status: 'queued',
      reason: expect.stringContaining('Reducto refuses the API key of the gateway (401)'),
    });
    upstream.answers.submit = defaults.submit;
    await submitAgain();
    expect((await jobOf(id)).status).toBe('submitted');
  });

  it('is in the timeline of the job with the answer of Reducto', async () => {
    upstream.answers.submit = REFUSED;
    const id = await gateway.submit();
    await submitDue(gateway);
    const { body } = await gateway.call('GET', `/v1/jobs/${id}/events`);
    expect(body.events).toContainEqual(
      expect.objectContaining({
        type: 'submit_deferred',
        detail: expect.objectContaining({ reason: 'Invalid API key' }),
      }),
    );
  });

  it('leaves single probes to all jobs together after the first one', async () => {
    upstream.answers.submit = REFUSED;
    await gateway.submit();
    await submitDue(gateway);
    const { submits } = get(UpstreamRateLimiter);
    expect(await submits.allowance()).toBe(0);
    await gateway.pool.query(
      `UPDATE upstream_rate SET cool_down_until = now() - interval '1 s', next_permit_at = now() - interval '1 s'`,
    );
    submits.stateChanged();
    expect(await submits.allowance()).toBe(1);
  });

  it('lengthens the cool-down when the same job probes again', async () => {
    upstream.answers.submit = REFUSED;
    await gateway.submit();
    await submitDue(gateway);
    for (const failures of [3, 4]) {
      await gateway.pool.query(
        `UPDATE upstream_rate SET cool_down_until = now() - interval '1 s', next_permit_at = now() - interval '1 s'`,
      );
      get(UpstreamRateLimiter).submits.stateChanged();
      await gateway.pool.query('UPDATE jobs SET next_check_at = now()');
      await submitDue(gateway);
      const { rows } = await gateway.pool.query(
        `SELECT failures FROM upstream_rate WHERE upstream LIKE '% submit'`,
      );
      expect(rows).toEqual([{ failures }]);
    }
  });

  it('ends the job at its maximum age', async () => {
    upstream.answers.submit = REFUSED;
    const id = await gateway.submit();
    await submitDue(gateway);
    await gateway.pool.query(`UPDATE jobs SET created_at = now() - interval '30 days'`);
    await submitAgain();
    expect(await jobOf(id)).toMatchObject({
      status: 'expired',
      error: { code: 'max_age_exceeded', retryable: true },
    });
  });
});

describe.each<[string, Partial<RawUpstream['answers']>]>([
  ['402', { submit: { status: 402, body: '{"detail":"Payment required"}' } }],
  ['407 of a proxy', { submit: { status: 407, body: 'Proxy Authentication Required' } }],
  ['a 403 page, as is the listing', { submit: PAGE, list: PAGE }],
  [
    'a 403 without a name, and the listing with 401',
    { submit: { status: 403, body: '{"detail":"Forbidden"}' }, list: REFUSED },
  ],
  [
    'a 403 AUTH_ERROR, as is the listing',
    {
      submit: { status: 403, body: '{"error":{"name":"AUTH_ERROR","message":"expired"}}' },
      list: { status: 403, body: '{"error":{"name":"AUTH_ERROR","message":"expired"}}' },
    },
  ],
  ['a 403 page while the listing is away', { submit: PAGE, list: { status: 503, body: '' } }],
  [
    'a 403, as is a poll, where Reducto has no listing',
    { submit: PAGE, poll: PAGE, list: { status: 404, body: '{"detail":"Not Found"}' } },
  ],
])('a submit that is answered with %s', (_, answers) => {
  it('waits', async () => {
    Object.assign(upstream.answers, answers);
    const id = await gateway.submit();
    await submitDue(gateway);
    expect((await jobOf(id)).status).toBe('queued');
    Object.assign(upstream.answers, defaults);
    await submitAgain();
    expect((await jobOf(id)).status).toBe('submitted');
  });
});

describe.each<[string, Partial<RawUpstream['answers']>]>([
  [
    'a 403 whose name is about the document, though the listing is refused',
    {
      submit: { status: 403, body: '{"error":{"name":"URL_NOT_ALLOWED","message":"no"}}' },
      list: REFUSED,
    },
  ],
  [
    'a 403 without a name, while the listing accepts the key',
    { submit: { status: 403, body: '{"detail":"PDF write forbidden"}' } },
  ],
  ['a 403 page, while the listing accepts the key', { submit: PAGE }],
  [
    'a 403, where Reducto has no listing',
    {
      submit: { status: 403, body: '{"detail":"Forbidden"}' },
      list: { status: 404, body: '{"detail":"Not Found"}' },
    },
  ],
])('a submit that is answered with %s', (_, answers) => {
  it('fails its job', async () => {
    await submitted();
    Object.assign(upstream.answers, answers);
    const id = await gateway.submit();
    await submitDue(gateway);
    expect(await jobOf(id)).toMatchObject({
      status: 'failed',
      error: { code: 'rejected_upstream', upstreamStatus: 403 },
    });
  });
});

describe('a submit that is answered with 403', () => {
  it('waits if the key was revoked since Reducto listed jobs', async () => {
    upstream.answers.submit = PAGE;
    const refused = await gateway.submit();
    await submitDue(gateway);
    expect((await jobOf(refused)).status).toBe('failed');
    upstream.answers.list = PAGE;
    const waiting = await gateway.submit();
    await submitDue(gateway);
    expect((await jobOf(waiting)).status).toBe('queued');
  });
});

describe('with a key that may not list jobs, and that Reducto accepted after a refused listing,', () => {
  const BAD = 'https://example.com/bad.pdf';
  let first: string;
  const lists = (): number =>
    upstream.requests.filter(({ path }) => path.startsWith('/jobs')).length;

  beforeEach(async () => {
    const { submit } = defaults;
    upstream.answers.list = PAGE;
    upstream.answers.submit = (request) => {
      if (request.body.includes(BAD)) return PAGE;
      return typeof submit === 'function' ? submit(request) : submit;
    };
    first = await gateway.submit({ input: BAD });
    await submitDue(gateway);
    const before = lists();
    await gateway.submit();
    await submitAgain();
    await eventually('another read of the listing', () => (lists() > before ? true : undefined));
    await endCoolDowns(gateway);
  });

  it('a job fails that Reducto refuses with 403', async () => {
    await submitAgain();
    expect(await jobOf(first)).toMatchObject({
      status: 'failed',
      error: { code: 'rejected_upstream', upstreamStatus: 403 },
    });
  });

  it('a refused job holds back no others', async () => {
    await submitAgain();
    const { submits, polls } = get(UpstreamRateLimiter);
    expect([await submits.allowance(), await polls.allowance()]).toEqual([Infinity, Infinity]);
  });

  it('no alert says that Reducto refuses the key', async () => {
    await submitAgain();
    expect(get(ApiKeyStatus).refusedWith).toBeUndefined();
  });

  it('jobs wait while Reducto refuses the key for polls, too', async () => {
    upstream.answers.submit = PAGE;
    upstream.answers.poll = PAGE;
    const id = await gateway.submit();
    await submitAgain();
    expect(await jobOf(id)).toMatchObject({
      status: 'queued',
      reason: expect.stringContaining('Reducto refuses the API key of the gateway (403)'),
    });
    expect(get(ApiKeyStatus).refusedWith).toBe(403);
  });

  it('a walk through the listing holds back no polls', async () => {
    expect(await get(ReductoClient).listJobs(null, false, 1)).toEqual({ kind: 'unsupported' });
    expect(await get(UpstreamRateLimiter).polls.allowance()).toBe(Infinity);
  });
});

describe('while Reducto refuses the key,', () => {
  it('a poll changes no job', async () => {
    const id = await submitted();
    upstream.answers.poll = REFUSED;
    await pollDue(gateway);
    expect(await jobOf(id)).toMatchObject({
      status: 'submitted',
      reason: expect.stringContaining('refuses the API key'),
    });
  });

  it('polls are single probes', async () => {
    await submitted();
    upstream.answers.poll = REFUSED;
    await pollDue(gateway);
    await gateway.pool.query(
      `UPDATE upstream_rate SET cool_down_until = now() - interval '1 s', next_permit_at = now() - interval '1 s'`,
    );
    const { polls } = get(UpstreamRateLimiter);
    polls.stateChanged();
    expect(await polls.allowance()).toBe(1);
  });

  it('a cancel is repeated by the next poll', async () => {
    const id = await submitted();
    await gateway.call('POST', `/v1/jobs/${id}/cancel`);
    upstream.answers.cancel = REFUSED;
    await cancelDue(gateway);
    upstream.answers.cancel = defaults.cancel;
    await gateway.pool.query('UPDATE jobs SET next_check_at = now()');
    await pollDue(gateway);
    const cancels = upstream.requests.filter(({ path }) => path.startsWith('/cancel/'));
    expect(cancels).toHaveLength(2);
    expect((await jobOf(id)).status).toBe('submitted');
  });

  it('deletions wait together after the first one', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      await gateway.pool.query(
        `INSERT INTO upstream_deletions (job_id, upstream_id, include_persisted)
         VALUES (gen_random_uuid(), $1, false)`,
        [name],
      );
    }
    upstream.answers.other = REFUSED;
    await get(DeletionWork).perform();
    expect(await get(DeletionWork).perform()).toBe(0);
    const { rows } = await gateway.pool.query(
      'SELECT count(*)::integer AS count FROM upstream_deletions',
    );
    expect(rows).toEqual([{ count: 8 }]);
  });
});
