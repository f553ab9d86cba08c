import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/dev/free-port.js';
import { startSandbox } from '../../src/sandbox/sandbox.js';
import { metricValue } from '../support/metrics.js';
import { endCoolDowns } from '../support/rate-limits.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { submitNow } from '../support/submit-now.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway(
    { REDUCTO_SUBMIT_TIMEOUT_SECONDS: '1' },
    { platform: { enhanced: false } },
  );
});
afterAll(() => gateway.close());
afterEach(() => endCoolDowns(gateway));

function madeUpstream(id: string): number {
  return gateway.sandbox.jobs.all().filter((job) => JSON.stringify(job.body).includes(`"${id}"`))
    .length;
}

describe('a submit that Reducto refuses', () => {
  it.each([
    ['403html', 403],
    ['status', 422],
    ['status', 442],
  ])('fails the job with the reason (%s %i)', async (fault, status) => {
    const id = await gateway.submit({ sim: { submit: { fault, status } } });
    const job = await gateway.ended(id);
    expect(job).toMatchObject({
      status: 'failed',
      settledBy: 'submission',
      error: { code: 'rejected_upstream' },
    });
    expect(job.reason).not.toBe('');
    expect(madeUpstream(id)).toBe(0);
  });
});

describe('a submit that Reducto defers', () => {
  it.each(['429code1000', '429code2000', '429bare', '503retryAfter', '401'])(
    'is tried again (%s)',
    async (fault) => {
      const id = await gateway.submit({
        sim: { submit: { fault, retryAfterSeconds: 1, times: 1 } },
      });
      expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
      expect(await gateway.events(id)).toContain('submit_deferred');
      expect(madeUpstream(id)).toBe(1);
    },
  );

  it('obeys Retry-After no longer than the cap', async () => {
    const capped = await startGateway({ REDUCTO_RETRY_AFTER_CAP_SECONDS: '1' });
    try {
      const id = await capped.submit({
        sim: { submit: { fault: '503retryAfter', retryAfterSeconds: 4000, times: 1 } },
      });
      expect(await capped.ended(id)).toMatchObject({ status: 'completed' });
    } finally {
      await capped.close();
    }
  });

  it('retries a submit after a refused connection', async () => {
    const port = await freePort();
    const lonely = await startGateway({ REDUCTO_BASE_URL: `http://127.0.0.1:${port}` });
    const id = await lonely.submit();
    await eventually(
      'deferred',
      async () => (await lonely.events(id)).includes('submit_deferred') || undefined,
    );
    const late = await startSandbox({ port });
    try {
      expect(await lonely.ended(id)).toMatchObject({ status: 'completed' });
      expect(late.jobs.all()).toHaveLength(1);
    } finally {
      await lonely.close();
      await late.close();
    }
  });
});

describe('a submit whose answer is lost', () => {
  it.each(['createdButTimeout', 'createdButReset', 'createdBut502'])(
    'is found and not repeated (%s)',
    async (fault) => {
      const id = await gateway.submit({ sim: { submit: { fault }, webhook: { send: 'never' } } });
      expect(await gateway.ended(id)).toMatchObject({
        status: 'completed',
        settledBy: 'reconciler',
      });
      expect(await gateway.events(id)).toContain('submit_uncertain');
      expect(madeUpstream(id)).toBe(1);
    },
  );

  it('resolves a lost answer by a callback without a listing', async () => {
    const old = await startGateway(
      {
        REDUCTO_SUBMIT_TIMEOUT_SECONDS: '1',
        UNCERTAIN_SCHEDULE_SECONDS: '600',
        POLL_SCHEDULE_SECONDS: '600',
      },
      { platform: { jobsList: false } },
    );
    try {
      const id = await old.submit({ sim: { submit: { fault: 'createdBut502' } } });
      expect(await old.ended(id)).toMatchObject({ status: 'completed', settledBy: 'webhook' });
      expect(old.sandbox.jobs.all()).toHaveLength(1);
    } finally {
      await old.close();
    }
  });

  it('fails an uncertain job without callback and listing instead of submitting it again', async () => {
    const old = await startGateway({}, { platform: { jobsList: false } });
    try {
      const id = await old.submit({
        sim: { submit: { fault: 'createdBut502' }, webhook: { send: 'never' } },
      });
      expect(await old.ended(id)).toMatchObject({
        status: 'failed',
        error: { code: 'submit_outcome_unknown' },
      });
      expect(old.sandbox.jobs.all()).toHaveLength(1);
    } finally {
      await old.close();
    }
  });

  it.each(['withoutMetadata', 'none'] as const)(
    'is not repeated where the listing does not show whose jobs they are (%s)',
    async (listConfigs) => {
      const platform = gateway.sandbox.platform.current;
      gateway.sandbox.platform.set({ listConfigs });
      try {
        const id = await gateway.submit({
          sim: { submit: { fault: 'createdBut502' }, webhook: { send: 'never' } },
        });
        expect(await gateway.ended(id)).toMatchObject({
          status: 'failed',
          error: { code: 'submit_outcome_unknown' },
        });
        expect(madeUpstream(id)).toBe(1);
      } finally {
        gateway.sandbox.platform.set({ listConfigs: platform.listConfigs });
      }
    },
  );

  it('rejects the upstream id of another job in a callback with a valid token', async () => {
    const sim = { submit: { fault: 'createdButReset' }, webhook: { send: 'never' } };
    const [one, other] = [await gateway.submit({ sim }), await gateway.submit({ sim })];
    const upstreamOf = (id: string) =>
      gateway.sandbox.jobs.all().find((job) => JSON.stringify(job.body).includes(`"${id}"`));
    const theirs = await eventually('the other job upstream', () => upstreamOf(other));
    const metadata = { gateway_job_id: one, token: gateway.tokens.signJobId(one) };
    const swapped = { status: 'Completed', job_id: theirs.id, metadata };
    expect((await gateway.call('POST', '/webhooks/reducto', swapped)).status).toBe(200);
    for (const id of [one, other]) {
      expect((await gateway.ended(id)).status).toBe('completed');
      const { rows } = await gateway.pool.query('SELECT upstream_id FROM jobs WHERE id = $1', [id]);
      expect(rows[0].upstream_id).toBe(upstreamOf(id)?.id);
    }
  });

  it('finds 61 uncertain jobs in one walk through the listing', async () => {
    const before = await metricValue(gateway, 'gateway_upstream_requests_total', { call: 'list' });
    const sim = { submit: { fault: 'createdButReset' }, webhook: { send: 'never' } };
    const ids = await Promise.all(Array.from({ length: 60 }, () => gateway.submit({ sim })));
    const ended = await Promise.all(ids.map((id) => gateway.ended(id)));
    expect(new Set(ended.map(({ status }) => status))).toEqual(new Set(['completed']));
    expect(ids.map(madeUpstream)).toEqual(ids.map(() => 1));
    const calls = await metricValue(gateway, 'gateway_upstream_requests_total', { call: 'list' });
    expect(calls - before).toBeLessThan(40);
  });

  it('submits again once the listing shows that no job was created', async () => {
    const id = await gateway.submit({
      sim: { submit: { fault: 'status', status: 502, times: 1 } },
    });
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
    expect(await gateway.events(id)).toEqual(
      expect.arrayContaining(['submit_uncertain', 'submit_resolved']),
    );
    expect(madeUpstream(id)).toBe(1);
  });
});

it('searches for an attempt that a crash interrupted instead of repeating it', async () => {
  const id = await gateway.submit({
    sim: { submit: { fault: 'status', status: 503, retryAfterSeconds: 60 } },
  });
  await eventually(
    'deferred',
    async () => (await gateway.events(id)).includes('submit_deferred') || undefined,
  );
  // As a process leaves it that dies between sending and hearing the answer.
  await gateway.pool.query(
    `UPDATE jobs SET submit_started_at = now() - interval '5 minutes', next_check_at = now() + interval '1 hour' WHERE id = $1`,
    [id],
  );
  await submitNow(gateway, id);
  expect((await gateway.call('GET', `/v1/jobs/${id}`)).body.status).toBe('uncertain');
});

it('does not submit a job again whose cancel arrives during recovery', async () => {
  const id = await gateway.submit({ sim: { submit: { fault: 'status', status: 503 } } });
  await eventually(
    'deferred',
    async () => (await gateway.events(id)).includes('submit_deferred') || undefined,
  );
  await endCoolDowns(gateway);
  // The cancel arrives between the decision to submit again and its update.
  await gateway.pool.query(
    `UPDATE jobs SET cancel_requested_at = now(), submit_started_at = NULL, next_check_at = now() WHERE id = $1`,
    [id],
  );
  expect(await gateway.ended(id)).toMatchObject({ status: 'cancelled' });
});

it('sends a job once with two workers', async () => {
  const id = await gateway.submit({ sim: { submit: { fault: 'slow', delayMs: 200 } } });
  await Promise.all(Array.from({ length: 8 }, () => submitNow(gateway, id)));
  await gateway.ended(id);
  expect(madeUpstream(id)).toBe(1);
});

it('expires a job that never reaches Reducto, once', async () => {
  const id = await gateway.submit({ sim: { submit: { fault: 'status', status: 503 } } });
  await eventually(
    'deferred',
    async () => (await gateway.events(id)).includes('submit_deferred') || undefined,
  );
  await endCoolDowns(gateway);
  await gateway.pool.query(
    `UPDATE jobs SET created_at = now() - interval '2 days', next_check_at = now() WHERE id = $1`,
    [id],
  );
  expect(await gateway.ended(id)).toMatchObject({
    status: 'expired',
    error: { code: 'max_age_exceeded' },
  });
});
