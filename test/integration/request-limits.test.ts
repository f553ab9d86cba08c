import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { DataSource } from 'typeorm';
import { ReconcilerService } from '../../src/reconciler/reconciler.service.js';
import { RequestLimiter } from '../../src/reducto/request-limiter.js';
import { UpstreamRateLimiter } from '../../src/reducto/upstream-rate-limiter.js';
import { UpstreamRateStore } from '../../src/reducto/rate-limit/upstream-rate.store.js';
import { UpstreamMetrics } from '../../src/reducto/upstream.metrics.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { startRawUpstream } from '../support/raw-upstream.js';

/* The limits that all processes share. A limiter per process; the row in the database is all that they have in common. */

describe('the limiters of three processes', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startIdleGateway();
  });
  afterAll(() => gateway.close());
  afterEach(() => gateway.pool.query('DELETE FROM upstream_rate'));

  function newProcess(perSecond: number, Store = UpstreamRateStore): RequestLimiter {
    const { manager } = gateway.app.get(DataSource, { strict: false });
    const metrics = gateway.app.get(UpstreamMetrics, { strict: false });
    const store = new Store(manager, 'shared', perSecond);
    return new RequestLimiter('submit', store, metrics, perSecond, () => undefined);
  }
  /** Spends permits as fast as they come, `callers` at a time. Returns their times in seconds. */
  async function spend(limiter: RequestLimiter, end: number, callers: number): Promise<number[]> {
    const times: number[] = [];
    const run = async (): Promise<void> => {
      while (performance.now() < end) {
        const permit = await limiter.acquirePermit();
        if (permit.granted) times.push(performance.now() / 1000);
      }
    };
    await Promise.all(Array.from({ length: callers }, run));
    return times;
  }
  /** Permits that are too many in the busiest time that begins and ends with a permit, in seconds of the rate. */
  function excess(times: readonly number[], perSecond: number): number {
    const sorted = times.toSorted((a, b) => a - b);
    let low = Infinity;
    let most = 0;
    sorted.forEach((time, n) => {
      low = Math.min(low, n / perSecond - time);
      most = Math.max(most, (n + 1) / perSecond - time - low);
    });
    return most;
  }

  // 1 % of a minute is 0.6 s.
  it.each([
    [500, 40],
    [50, 10],
    [10, 3],
  ])('keep to %i per second together, and use it', async (perSecond, callers) => {
    const end = performance.now() + 4000;
    const limiters = [1, 2, 3].map(() => newProcess(perSecond));
    const times = (await Promise.all(limiters.map((one) => spend(one, end, callers)))).flat();
    expect(excess(times, perSecond)).toBeLessThan(0.6);
    expect(times.filter((time) => time * 1000 < end).length).toBeGreaterThan(perSecond * 4 * 0.75);
  });

  it('keep to the limit although one of them is started again and again', async () => {
    const end = performance.now() + 4000;
    const restarting = async (): Promise<number[]> => {
      const times: number[] = [];
      while (performance.now() < end) {
        times.push(...(await spend(newProcess(200), performance.now() + 300, 10)));
      }
      return times;
    };
    const steady = newProcess(200);
    const times = (await Promise.all([restarting(), spend(steady, end, 20)])).flat();
    expect(excess(times, 200)).toBeLessThan(0.6);
  });

  it('take few statements for many permits', async () => {
    const limiter = newProcess(100_000);
    const takes = vi.spyOn(UpstreamRateStore.prototype, 'takeBlock');
    const begin = performance.now();
    for (let n = 0; n < 2000; n += 1) {
      expect(await limiter.acquirePermit()).toEqual({ granted: true });
      // As 1,000 requests per second.
      while (performance.now() < begin + n) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(takes.mock.calls.length).toBeLessThan(40);
    takes.mockRestore();
  });

  it('need no statement for a single request after an idle time', async () => {
    const limiter = newProcess(500);
    expect(await limiter.permitsFor(1)).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 600));
    const locked = await gateway.pool.connect();
    try {
      await locked.query('BEGIN; LOCK TABLE upstream_rate');
      expect(await limiter.permitsFor(1)).toBe(1);
      expect(await limiter.acquirePermit()).toEqual({ granted: true });
    } finally {
      await locked.query('ROLLBACK');
      locked.release();
    }
  });

  it('offer no permits while a cool-down of another process lasts', async () => {
    const [one, other] = [newProcess(500), newProcess(500)];
    await one.reportOutcome('unavailable', { retryAfterSeconds: 60 });
    expect(await other.permitsFor(10)).toBe(0);
    expect(await other.acquirePermit()).toMatchObject({ granted: false });
  });

  it('drop the permits that they hold when a cool-down begins', async () => {
    const [one, other] = [newProcess(500), newProcess(500)];
    const claim = other.claimPermit();
    expect(await other.permitsFor(1)).toBe(1);
    await one.reportOutcome('unavailable', { retryAfterSeconds: 60 });
    other.stateChanged();
    expect(await other.permitsFor(1)).toBe(0);
    expect(await claim.spend()).toMatchObject({ granted: false });
  });

  it('drop the permits that they take while a cool-down is being written', async () => {
    const taken: number[] = [];
    class SlowStore extends UpstreamRateStore {
      override async beginCoolDown(...parameters: [number, boolean]) {
        taken.push(await one.permitsFor(1));
        return super.beginCoolDown(...parameters);
      }
    }
    const one = newProcess(500, SlowStore);
    await one.reportOutcome('unavailable', { retryAfterSeconds: 60 });
    expect(taken).toEqual([1]);
    expect(await one.permitsFor(1)).toBe(0);
  });

  it('keep a cool-down although a request succeeds that began before it', async () => {
    const [one] = [newProcess(500)];
    await one.reportOutcome('unavailable', { retryAfterSeconds: 60 });
    await one.reportOutcome('answered', { seconds: 2 });
    expect(await one.permitsFor(1)).toBe(0);
  });

  it('obey the longest Retry-After of requests that fail together', async () => {
    const [one, other] = [newProcess(500), newProcess(500)];
    await one.reportOutcome('unavailable', { retryAfterSeconds: 5 });
    await other.reportOutcome('unavailable', { retryAfterSeconds: 100 });
    const until = await one.coolDownUntil();
    expect((until?.getTime() ?? 0) - Date.now()).toBeGreaterThan(90_000);
  });

  it('return the permits that an idle process at a low rate did not need', async () => {
    const [idle, busy] = [newProcess(2), newProcess(2)];
    for (let n = 0; n < 20; n += 1) {
      expect(await idle.permitsFor(5)).toBe(1);
      await idle.returnUnused(1);
    }
    expect(await busy.permitsFor(1)).toBe(1);
  });
});

describe('a 429 with Retry-After to a submit', () => {
  let gateways: TestGateway[] = [];
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const gateway of gateways) await gateway.close();
    gateways = [];
    for (const close of closers.splice(0)) await close();
  });
  async function twoGateways() {
    const upstream = await startRawUpstream();
    closers.push(() => upstream.close());
    const options = {
      REDUCTO_BASE_URL: upstream.url,
      REDUCTO_API_KEY: 'key',
      POLL_SCHEDULE_SECONDS: '600',
    };
    const one = await startGateway(options);
    gateways.push(one);
    const other = await startGateway({
      ...options,
      DATABASE_URL: one.settings.DATABASE_URL ?? '',
    });
    gateways.push(other);
    return { upstream, one, other };
  }
  it('leaves the header user-id out, unless a setting asks for it', async () => {
    const upstream = await startRawUpstream();
    closers.push(() => upstream.close());
    const options = { REDUCTO_BASE_URL: upstream.url, REDUCTO_API_KEY: 'key' };
    const sent: unknown[] = [];
    for (const userId of ['none', 'service']) {
      const gateway = await startGateway({ ...options, REDUCTO_USER_ID: userId });
      gateways.push(gateway);
      await gateway.submit();
      sent.push(
        await eventually('the submit', () =>
          upstream.requests.find(({ path }) => path === '/parse_async'),
        ).then(({ headers }) => headers['user-id']),
      );
      upstream.requests.length = 0;
    }
    expect(sent).toEqual([undefined, 'invoices']);
  });
  const submits = (upstream: { requests: { path: string }[] }): number =>
    upstream.requests.filter(({ path }) => path.includes('_async')).length;

  it('pauses the submits of all processes, begins no attempts meanwhile, and leaves polls alone', async () => {
    const { upstream, one, other } = await twoGateways();
    const open = await one.submit();
    await expect.poll(() => one.events(open)).toContain('submitted');
    upstream.answers.submit = { status: 429, headers: { 'retry-after': '60' }, body: '{}' };
    const before = submits(upstream);
    await one.submit();
    await eventually('the pause', async () => {
      const limiters = [one, other].map(({ app }) =>
        app.get(UpstreamRateLimiter, { strict: false }),
      );
      const untils = await Promise.all(limiters.map(({ submits }) => submits.coolDownUntil()));
      return untils.every((until) => until !== null) ? true : undefined;
    });
    upstream.answers.submit = { body: '{"job_id":"another"}' };
    const paused = await Promise.all(Array.from({ length: 30 }, () => other.submit()));
    upstream.answers.poll = { body: '{"status":"Completed","result":{}}' };
    await one.pool.query('UPDATE jobs SET next_check_at = now() WHERE id = $1', [open]);
    expect(await one.ended(open)).toMatchObject({ status: 'completed' });
    expect(submits(upstream)).toBe(before + 1);
    const { rows } = await one.pool.query(
      'SELECT DISTINCT status, submit_attempts, lease FROM jobs WHERE id = ANY ($1::uuid[])',
      [paused],
    );
    expect(rows).toEqual([{ status: 'queued', submit_attempts: 0, lease: null }]);
    const { body } = await one.call('GET', `/v1/jobs/${paused[0]}`);
    expect(body.reason).toContain('Submitting backs off');
    await one.pool.query(
      `UPDATE jobs SET created_at = now() - interval '9 days' WHERE id = ANY ($1::uuid[])`,
      [paused],
    );
    const { expired } = await one.app.get(ReconcilerService, { strict: false }).sweep();
    expect(expired).toBe(30);
  });
});
