import { afterEach, describe, expect, it } from 'vitest';
import { ReconcilerService } from '../../src/reconciler/reconciler.service.js';
import { UpstreamRateLimiter } from '../../src/reducto/upstream-rate-limiter.js';
import { metricValue } from '../support/metrics.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { waitingJobs } from '../support/waiting-jobs.js';

const gateways: TestGateway[] = [];
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close();
});

async function start(...options: Parameters<typeof startGateway>): Promise<TestGateway> {
  const gateway = await startGateway(...options);
  gateways.push(gateway);
  return gateway;
}
const limiterOf = ({ app }: TestGateway) => app.get(UpstreamRateLimiter, { strict: false });
const polls = (gateway: TestGateway, answer?: string) =>
  metricValue(gateway, 'gateway_upstream_requests_total', {
    call: 'poll',
    ...(answer === undefined ? {} : { answer }),
  });

describe('an unavailable Reducto', () => {
  it.each([
    ['an outage (503)', { outageStatus: 503 }],
    ['a refused key (401)', { outageStatus: 401 }],
    ['a rate limit (429)', { rateLimitPerSecond: 0.001 }],
    [
      'a rate limit of a proxy (HTML 503)',
      { rateLimitPerSecond: 0.001, rateLimitFlavour: 'html503' },
    ],
  ] as const)('%s slows all polls down and changes no job', async (_, behavior) => {
    const gateway = await start({ POLL_SCHEDULE_SECONDS: '0.1', RECONCILE_INTERVAL_SECONDS: '1' });
    await waitingJobs(gateway, 40);
    gateway.sandbox.platform.set(behavior);
    await eventually('three holds', async () =>
      (await metricValue(gateway, 'gateway_upstream_cool_downs_total')) >= 3 ? true : undefined,
    );
    // 40 jobs that are due every 0.1 s would have cost hundreds.
    expect(await polls(gateway, 'unavailable')).toBeLessThan(60);
    const { rows } = await gateway.pool.query(
      'SELECT status, count(*)::int AS jobs FROM jobs GROUP BY status',
    );
    expect(rows).toEqual([{ status: 'submitted', jobs: 40 }]);
  });

  it('ends all jobs once Reducto recovers', async () => {
    const gateway = await start({ POLL_SCHEDULE_SECONDS: '0.1', RECONCILE_INTERVAL_SECONDS: '1' });
    const jobs = await waitingJobs(gateway, 30);
    gateway.sandbox.platform.set({ outageStatus: 502 });
    await eventually('a hold', async () =>
      (await metricValue(gateway, 'gateway_upstream_cool_downs_total')) >= 2 ? true : undefined,
    );
    await Promise.all(jobs.map((job) => gateway.sandbox.runner.complete(job)));
    gateway.sandbox.platform.set({ outageStatus: 0 });
    const completed = async (): Promise<number> => {
      const { rows } = await gateway.pool.query(
        `SELECT count(*)::int AS n FROM jobs WHERE status = 'completed'`,
      );
      return rows[0].n;
    };
    await expect.poll(completed).toBe(30);
  });

  it('does not keep a job past the maximum age', async () => {
    const gateway = await start({
      JOB_MAX_AGE_SECONDS: '60',
      POLL_SCHEDULE_SECONDS: '600',
      RECONCILE_INTERVAL_SECONDS: '3600',
    });
    await waitingJobs(gateway, 30, 3600);
    await limiterOf(gateway).polls.reportOutcome('unavailable', { retryAfterSeconds: 300 });
    await gateway.pool.query(
      `UPDATE jobs SET created_at = now() - interval '2 minutes', next_check_at = now()`,
    );
    // A worker that asked for permits before the cool-down may lease some jobs, and releases them.
    await eventually('all jobs expire', async () => {
      await gateway.app.get(ReconcilerService, { strict: false }).sweep();
      const status = 'expired';
      return (await metricValue(gateway, 'gateway_jobs_ended_total', { status })) === 30
        ? true
        : undefined;
    });
    expect(await polls(gateway)).toBe(0);
  });

  it.each([
    ['a page', { fault: 'htmlHttp', httpStatus: 500 }],
    ['5xx', { fault: 'http', httpStatus: 500 }],
  ])('of one job alone (%s, again and again) holds nobody back for long', async (_, poll) => {
    const gateway = await start({ POLL_SCHEDULE_SECONDS: '0.1', RECONCILE_INTERVAL_SECONDS: '1' });
    await gateway.submit({ sim: { webhook: { send: 'never' }, poll } });
    await expect.poll(() => polls(gateway, 'unavailable')).toBeGreaterThan(4);
    expect(await metricValue(gateway, 'gateway_upstream_cool_downs_total')).toBe(1);
    expect((await gateway.ended(await gateway.submit())).status).toBe('completed');
  });

  it('starts no cool-down for one job whose answers are truncated', async () => {
    const gateway = await start({ POLL_SCHEDULE_SECONDS: '0.1', RECONCILE_INTERVAL_SECONDS: '1' });
    await gateway.submit({ sim: { webhook: { send: 'never' }, poll: { fault: 'truncated' } } });
    await expect.poll(() => polls(gateway, 'unusable')).toBeGreaterThan(1);
    expect(await metricValue(gateway, 'gateway_upstream_cool_downs_total')).toBeLessThanOrEqual(1);
    expect((await gateway.ended(await gateway.submit())).status).toBe('completed');
  });

  it('starts no cool-down for one job that answers a conflict (409)', async () => {
    const gateway = await start({ POLL_SCHEDULE_SECONDS: '0.1', RECONCILE_INTERVAL_SECONDS: '1' });
    await gateway.submit({
      sim: { webhook: { send: 'never' }, poll: { fault: 'http', httpStatus: 409, times: 5 } },
    });
    await eventually('the polls', async () =>
      (await polls(gateway, 'unavailable')) >= 3 ? true : undefined,
    );
    expect(await metricValue(gateway, 'gateway_upstream_cool_downs_total')).toBe(0);
  });
});

describe('the rate limit of polls', () => {
  it('shares the rate limit between replicas on one database', async () => {
    const one = await start({ REDUCTO_POLLS_PER_SECOND: '10', RECONCILE_INTERVAL_SECONDS: '3600' });
    const other = await start({
      REDUCTO_POLLS_PER_SECOND: '10',
      RECONCILE_INTERVAL_SECONDS: '3600',
      DATABASE_URL: one.settings.DATABASE_URL ?? '',
      REDUCTO_BASE_URL: one.settings.REDUCTO_BASE_URL.href,
    });
    // The first ones may come in a burst of a quarter of a second; then it is ten per second.
    const permits = Array.from({ length: 20 }, (_, n) =>
      limiterOf(n % 2 === 0 ? one : other).polls.acquirePermit(),
    );
    await Promise.any(permits);
    const { rows } = await one.pool.query(
      `SELECT extract(epoch FROM next_permit_at - now())::float8 AS booked
         FROM upstream_rate WHERE upstream NOT LIKE '% submit'`,
    );
    expect(rows).toHaveLength(1);
    expect(rows[0].booked).toBeGreaterThan(0.5);
    expect((await Promise.all(permits)).every((permit) => permit.granted)).toBe(true);
    const after = await one.pool.query(
      `SELECT extract(epoch FROM next_permit_at - now())::float8 AS left
         FROM upstream_rate WHERE upstream NOT LIKE '% submit'`,
    );
    // No caller continued before its booked permit.
    expect(after.rows[0].left).toBeLessThan(0.35);
  });

  it('refuses a permit after a long wait and says for how long', async () => {
    const gateway = await start({ RECONCILE_INTERVAL_SECONDS: '3600' });
    await limiterOf(gateway).polls.reportOutcome('unavailable', { retryAfterSeconds: 120 });
    const permit = await limiterOf(gateway).polls.acquirePermit();
    expect(permit.granted).toBe(false);
    expect(permit.granted ? 0 : permit.seconds).toBeGreaterThan(100);
  });

  it('obeys the Retry-After of a further failure', async () => {
    const gateway = await start({ RECONCILE_INTERVAL_SECONDS: '3600' });
    await limiterOf(gateway).polls.reportOutcome('unavailable');
    await gateway.pool.query('UPDATE upstream_rate SET cool_down_until = now()');
    await limiterOf(gateway).polls.reportOutcome('unavailable', { retryAfterSeconds: 120 });
    const until = await limiterOf(gateway).polls.coolDownUntil();
    expect((until?.getTime() ?? 0) - Date.now()).toBeGreaterThan(100_000);
  });

  it('restores the full rate when Reducto answers again', async () => {
    const gateway = await start({ RECONCILE_INTERVAL_SECONDS: '3600' });
    const limiter = limiterOf(gateway).polls;
    await limiter.reportOutcome('unavailable');
    await gateway.pool.query('UPDATE upstream_rate SET failures = 5, cool_down_until = now()');
    const booked = await Promise.all([
      limiter.acquirePermit(),
      limiter.acquirePermit(),
      limiter.acquirePermit(),
      limiter.acquirePermit(),
    ]);
    expect(booked.some(({ granted }) => !granted)).toBe(true);
    await limiter.reportOutcome('answered');
    const { rows } = await gateway.pool.query(
      `SELECT failures, greatest(next_permit_at, cool_down_until) <= now() + interval '0.5 s' AS free
         FROM upstream_rate WHERE upstream NOT LIKE '% submit'`,
    );
    expect(rows).toEqual([{ failures: 0, free: true }]);
  });

  it('counts concurrent failures as one', async () => {
    const gateway = await start({ RECONCILE_INTERVAL_SECONDS: '3600' });
    await Promise.all(
      Array.from({ length: 8 }, () => limiterOf(gateway).polls.reportOutcome('unavailable')),
    );
    const { rows } = await gateway.pool.query(
      `SELECT failures FROM upstream_rate WHERE upstream NOT LIKE '% submit'`,
    );
    expect(rows).toEqual([{ failures: 1 }]);
  });
});
