import { afterEach, describe, expect, it } from 'vitest';
import { ReconcilerService } from '../../src/reconciler/reconciler.service.js';
import type { Job as UpstreamJob } from '../../src/sandbox/jobs/job.js';
import { metricValue } from '../support/metrics.js';
import { pollDue } from '../support/due-work.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { waitingJobs } from '../support/waiting-jobs.js';

/** No sweep starts by itself. */
const BY_HAND = {
  RECONCILE_INTERVAL_SECONDS: '3600',
  POLL_SCHEDULE_SECONDS: '600',
  REDUCTO_POLLS_PER_SECOND: '1000',
};

let gateway: TestGateway;
afterEach(() => gateway.close());

const sweep = () => gateway.app.get(ReconcilerService, { strict: false }).sweep();
const polls = () => metricValue(gateway, 'gateway_upstream_requests_total', { call: 'poll' });
const count = async (condition: string): Promise<number> => {
  const { rows } = await gateway.pool.query(
    `SELECT count(*)::int AS n FROM jobs WHERE ${condition}`,
  );
  return rows[0].n;
};
const complete = (jobs: readonly UpstreamJob[]) =>
  Promise.all(jobs.map((job) => gateway.sandbox.runner.complete(job)));
const sweepMetrics = async (): Promise<Record<string, number>> => {
  const of = (step: string): Promise<number> =>
    metricValue(gateway, 'gateway_reconciler_jobs_total', { step });
  return {
    polls: await of('polls'),
    bulkChecked: await of('bulkChecked'),
    expired: await of('expired'),
  };
};
describe('many due jobs', () => {
  it('checks 10,000 due jobs in tens of calls and finds the ended ones', async () => {
    gateway = await startIdleGateway(BY_HAND);
    const jobs = await waitingJobs(gateway, 10_000);
    const ended = [jobs[0], jobs[4321], jobs[9999]].flatMap((job) => job ?? []);
    await complete(ended);

    const counts = await sweep();

    expect(counts.bulkChecked + counts.polls).toBe(10_000);
    expect(counts.polls).toBeLessThan(20);
    expect(counts.listingCalls).toBeLessThan(30);
    await pollDue(gateway);
    await pollDue(gateway);
    expect(await count(`status = 'completed' AND settled_by = 'reconciler'`)).toBe(3);
    expect(await polls()).toBe(counts.polls);
    expect(await count('next_check_at <= now()')).toBe(0);
    expect(await count(`status = 'submitted' AND polls = 1`)).toBe(9997);
    expect((await sweep()).bulkChecked).toBe(0);
  });

  it('polls a job that the listing does not show or shows with an unknown status', async () => {
    gateway = await startIdleGateway(BY_HAND);
    const jobs = await waitingJobs(gateway, 200);
    for (const job of jobs.slice(0, 5)) job.deletedAt = 0;
    Object.assign(jobs[5] ?? {}, { status: 'Paused' });
    const counts = await sweep();
    await pollDue(gateway);
    expect(counts.polls).toBeGreaterThanOrEqual(6);
    expect(counts.polls).toBeLessThan(15);
    await expect.poll(() => count('missing_since IS NOT NULL')).toBe(5);
  });

  it.each([
    ['there is no listing', { jobsList: false }],
    ['it calls everything open, also what ended long ago', { listStale: true }],
  ])('are polled one by one if %s', async (_, platform) => {
    gateway = await startIdleGateway(BY_HAND, { platform });
    const before = await waitingJobs(gateway, 20);
    await complete(before);
    await gateway.pool.query(
      `UPDATE jobs SET status = 'completed', next_check_at = NULL, ended_at = now() - interval '1 hour'`,
    );
    const jobs = await waitingJobs(gateway, 100);
    await complete(jobs);
    expect(await sweep()).toMatchObject({ polls: 100, bulkChecked: 0 });
    await pollDue(gateway);
    expect(await count(`status = 'completed'`)).toBe(120);
    expect(gateway.logs.join('')).toContain('polled one by one');

    await waitingJobs(gateway, 100);
    expect(await sweep()).toEqual({ polls: 0, bulkChecked: 0, expired: 0, listingCalls: 0 });
  });

  it.each(['oldestFirst', 'byId'] as const)(
    'are checked in bulk in any order of the listing (%s) while that saves polls',
    async (listOrder) => {
      gateway = await startIdleGateway(BY_HAND, { platform: { listOrder } });
      const jobs = await waitingJobs(gateway, 1000);
      await complete(jobs.slice(0, 4));
      const counts = await sweep();
      expect(counts.bulkChecked).toBeGreaterThan(980);
      await pollDue(gateway);
      expect(await count(`status = 'completed'`)).toBe(4);
    },
  );

  it('polls one by one after a walk that saves too few polls', async () => {
    gateway = await startIdleGateway(BY_HAND, { platform: { listOrder: 'oldestFirst' } });
    await waitingJobs(gateway, 40_000);
    await gateway.pool.query('DELETE FROM jobs');
    await waitingJobs(gateway, 100);
    const first = await sweep();
    expect(first.listingCalls).toBeLessThanOrEqual(60);
    expect(first.polls).toBe(100);
    await pollDue(gateway);
    // More than twice the calls of the first walk, so that only the circuit breaker prevents another.
    await waitingJobs(gateway, 200);
    expect(await sweep()).toEqual({ polls: 0, bulkChecked: 0, expired: 0, listingCalls: 0 });
  });

  it('polls a sample of three although the listing shows all jobs as open', async () => {
    gateway = await startIdleGateway(BY_HAND);
    await waitingJobs(gateway, 300);
    expect(await sweep()).toMatchObject({ bulkChecked: 297, polls: 3, listingCalls: 1 });
    expect(await sweepMetrics()).toEqual({ polls: 3, bulkChecked: 297, expired: 0 });
    expect(await metricValue(gateway, 'gateway_reconciler_listing_calls_total')).toBe(1);
  });

  it('polls jobs with a callback or a cancel whatever the listing says', async () => {
    gateway = await startIdleGateway(BY_HAND);
    await waitingJobs(gateway, 300);
    await gateway.pool.query(
      `UPDATE jobs SET callback_received_at = now() WHERE id IN (SELECT id FROM jobs LIMIT 7)`,
    );
    const counts = await sweep();
    expect(counts.bulkChecked + counts.polls).toBe(293);
    await pollDue(gateway);
    expect(await polls()).toBe(counts.polls + 7);
  });
});

it('expires each job past the maximum age once and logs an error', async () => {
  gateway = await startIdleGateway({ ...BY_HAND, JOB_MAX_AGE_SECONDS: '60' });
  await waitingJobs(gateway, 80);
  await gateway.pool.query(`UPDATE jobs SET created_at = now() - interval '2 minutes'`);
  await Promise.all([sweep(), sweep(), sweep()]);
  await pollDue(gateway);
  expect(await count(`status = 'expired'`)).toBe(80);
  const loud = (): string[] =>
    gateway.logs.filter(
      (line) => line.includes('"level":"error"') && line.includes('max_age_exceeded'),
    );
  await expect.poll(() => loud().length).toBe(80);
  expect(await metricValue(gateway, 'gateway_jobs_ended_total', { code: 'max_age_exceeded' })).toBe(
    80,
  );
});

it('reads due jobs only and no finished ones', async () => {
  gateway = await startIdleGateway(BY_HAND);
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, status, request_hash, upstream_id, ended_at)
     SELECT gen_random_uuid(), 'invoices', 'parse', 'completed', '\\x00', 'done-' || n, now()
       FROM generate_series(1, 50000) AS n`,
  );
  await waitingJobs(gateway, 20);
  await gateway.pool.query('ANALYZE jobs');
  const reads = async (): Promise<{ scanned: number; fetched: number }> => {
    await gateway.pool.query('SELECT pg_stat_force_next_flush()');
    const { rows } = await gateway.pool.query(
      `SELECT seq_tup_read::int AS scanned, idx_tup_fetch::int AS fetched
         FROM pg_stat_user_tables WHERE relname = 'jobs'`,
    );
    return rows[0];
  };
  await gateway.pool.query(`UPDATE jobs SET next_check_at = now() WHERE next_check_at IS NOT NULL`);
  const before = await reads();
  await sweep();
  await pollDue(gateway);
  const after = await eventually('the statistics', async () => {
    // A connection hands in its counts with a later transaction.
    await sweep();
    const now = await reads();
    return now.fetched > before.fetched ? now : undefined;
  });
  expect(after.scanned - before.scanned).toBe(0);
  expect(after.fetched - before.fetched).toBeLessThan(1000);
});

it('counts a failed sweep', async () => {
  gateway = await startGateway({ ...BY_HAND, RECONCILE_INTERVAL_SECONDS: '1' });
  const failures = () => metricValue(gateway, 'gateway_reconciler_sweep_failures_total');
  expect(await failures()).toBe(0);
  await gateway.pool.query('ALTER TABLE jobs RENAME TO jobs_elsewhere');
  await expect.poll(failures).toBeGreaterThan(0);
  await gateway.pool.query('ALTER TABLE jobs_elsewhere RENAME TO jobs');
});
