import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { JobLease } from '../../src/jobs/polling/job-lease.js';
import { JobLeaseStore } from '../../src/jobs/polling/job-lease.store.js';
import { DueJobsService } from '../../src/jobs/due-jobs.service.js';
import { UPSTREAM_UNUSABLE } from '../../src/jobs/job-error.js';
import { JobQueries } from '../../src/jobs/persistence/job-queries.store.js';
import { ResultStore } from '../../src/jobs/results/result.store.js';
import { PollTransitions } from '../../src/jobs/polling/poll-transitions.js';
import { JobPoller } from '../../src/jobs/polling/job-poller.js';
import { SubmissionTransitions } from '../../src/jobs/submission/submission-transitions.js';
import { ReconcilerService } from '../../src/reconciler/reconciler.service.js';
import { metricValue } from '../support/metrics.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { waitingJobs } from '../support/waiting-jobs.js';

/* One poll of a job at a time; only the holder of the lease writes. */

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({
    RECONCILE_INTERVAL_SECONDS: '3600',
    POLL_SCHEDULE_SECONDS: '600',
    RECONCILE_LISTING_MIN_JOBS: '2',
  });
});
afterAll(() => gateway.close());

const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });
const NOTE = { seconds: 60, answer: 'open', reason: null, missing: false, resultMissing: false };

async function waitingJob(): Promise<{ id: string; upstream: string }> {
  const [upstream] = await waitingJobs(gateway, 1);
  const { rows } = await gateway.pool.query('SELECT id FROM jobs WHERE upstream_id = $1', [
    upstream?.id,
  ]);
  return { id: rows[0].id, upstream: upstream?.id ?? '' };
}
const row = async (id: string) =>
  (await gateway.pool.query('SELECT * FROM jobs WHERE id = $1', [id])).rows[0];
/** Expires the lease of the job, as after a long pause of its holder. */
const letLeaseEnd = (id: string) =>
  gateway.pool.query(`UPDATE jobs SET next_check_at = now() - interval '1 s' WHERE id = $1`, [id]);
const secondsUntilDue = async (id: string): Promise<number> => {
  const { rows } = await gateway.pool.query(
    'SELECT extract(epoch FROM next_check_at - now())::float8 AS seconds FROM jobs WHERE id = $1',
    [id],
  );
  return rows[0].seconds;
};
const openJob = async (id: string) => {
  const open = await get(JobQueries).findOpen(id);
  if (open === undefined) throw new Error('the job has ended');
  return open.job;
};

describe('a process that lost its lease', () => {
  it('cannot complete, end, or reschedule the job, and leaves no result behind', async () => {
    const { id } = await waitingJob();
    const stale = await get(JobLeaseStore).acquireLease(id, 30);
    const job = await openJob(id);
    await letLeaseEnd(id);
    const fresh = await get(JobLeaseStore).acquireLease(id, 30);
    expect(fresh).toBeDefined();
    const before = await row(id);

    const results = get(ResultStore);
    const content = await results.writeContent(
      (async function* () {
        yield Buffer.from('{}');
      })(),
    );
    expect(await get(PollTransitions).completeJob(job, stale ?? '', content)).toBe(false);
    expect(await get(PollTransitions).endJob(job, stale ?? '', 'failed', UPSTREAM_UNUSABLE)).toBe(
      false,
    );
    expect(await get(PollTransitions).reschedule(job, stale ?? '', NOTE)).toBe(false);
    expect(await get(JobLeaseStore).renewLease(id, stale ?? '', 30)).toBe(false);
    await get(JobLeaseStore).releaseLease(id, stale ?? '', 1);

    expect(await row(id)).toEqual(before);
    const { rows } = await gateway.pool.query(
      'SELECT count(*)::int AS n FROM result_chunks WHERE content_id = $1',
      [content.contentId],
    );
    expect(rows[0].n).toBe(0);
    expect(await get(PollTransitions).reschedule(job, fresh ?? '', NOTE)).toBe(true);
  });

  it('cannot fail a job whose later submit attempt has begun', async () => {
    const { id } = await waitingJob();
    await gateway.pool.query(
      `UPDATE jobs SET status = 'queued', upstream_id = NULL, submit_attempts = 2 WHERE id = $1`,
      [id],
    );
    const job = await openJob(id);
    expect(
      await get(SubmissionTransitions).endUnsubmitted(job, 1, 'failed', UPSTREAM_UNUSABLE),
    ).toBe(false);
    expect((await row(id)).status).toBe('queued');
    await gateway.pool.query('DELETE FROM jobs WHERE id = $1', [id]);
  });

  it('does not reschedule a job that a callback leased from its sweep', async () => {
    const { id } = await waitingJob();
    const store = get(JobLeaseStore);
    const manager = get(DataSource).manager;
    const lease = randomUUID();
    const jobs = await store.leaseDueJobs(manager, lease, 100, 'all', 60);
    expect(jobs.map((job) => job.id)).toContain(id);
    const callbackLease = await store.acquireLease(id, 30);
    expect(callbackLease).toBeDefined();
    expect(await store.rescheduleOpen(manager, lease, [id], [600])).toBe(0);
    expect(await store.releaseForPolls(manager, lease, [id], 60)).toEqual([]);
    expect((await row(id)).lease).toBe(callbackLease);
    await store.releaseLease(id, callbackLease ?? '', 600);
  });
});

describe('a poll', () => {
  it('polls a job by one worker at a time', async () => {
    const { id } = await waitingJob();
    let inside = 0;
    const gate = Promise.withResolvers<void>();
    const work = async (): Promise<void> => {
      inside += 1;
      await gate.promise;
    };
    const first = get(JobLease).withLease(id, work);
    await eventually('the first poll', () => (inside === 1 ? true : undefined));
    await Promise.all(Array.from({ length: 10 }, () => get(JobLease).withLease(id, work)));
    gate.resolve();
    await first;
    expect(inside).toBe(1);
  });

  it('polls again if a callback arrives during the poll', async () => {
    const { id, upstream } = await waitingJob();
    const lease = await get(JobLeaseStore).acquireLease(id, 30);
    const job = await openJob(id);
    const body = {
      status: 'Completed',
      job_id: upstream,
      metadata: { gateway_job_id: id, token: gateway.tokens.signJobId(id) },
    };
    expect((await gateway.call('POST', '/webhooks/reducto', body)).status).toBe(200);
    await get(JobPoller).pollJob(id);
    expect((await row(id)).lease).toBe(lease);

    const upstreamJob = gateway.sandbox.jobs.find(upstream);
    if (upstreamJob !== undefined) await gateway.sandbox.runner.complete(upstreamJob);
    await get(PollTransitions).reschedule(job, lease ?? '', NOTE);
    expect((await gateway.ended(id)).settledBy).toBe('webhook');
  });

  it('repeats a poll within a second after a database outage', async () => {
    const { id } = await waitingJob();
    const away = Object.assign(new Error('starting up'), { code: '57P03' });
    const broken = get(JobLease).withLease(id, () => Promise.reject(away));
    await expect(broken).rejects.toThrow('starting up');
    expect(await row(id)).toMatchObject({ polling: false, status: 'submitted', polls: 0 });
    expect(await secondsUntilDue(id)).toBeLessThanOrEqual(1);
  });

  it('repeats a poll that threw an unexpected error on the schedule and counts it', async () => {
    const { id } = await waitingJob();
    for (const polls of [1, 2]) {
      await letLeaseEnd(id);
      await get(JobLease).withLease(id, () => Promise.reject(new TypeError('broken')));
      expect(await row(id)).toMatchObject({ polling: false, status: 'submitted', polls });
      expect(await secondsUntilDue(id)).toBeGreaterThan(300);
    }
  });

  it('records settledBy and the number of polls in the timeline', async () => {
    const { id, upstream } = await waitingJob();
    await get(JobPoller).pollJob(id);
    const upstreamJob = gateway.sandbox.jobs.find(upstream);
    if (upstreamJob !== undefined) await gateway.sandbox.runner.complete(upstreamJob);
    await letLeaseEnd(id);
    await get(ReconcilerService).sweep();
    await gateway.ended(id);
    const { body } = await gateway.call('GET', `/v1/jobs/${id}/events`);
    expect(body.events.at(-1)).toMatchObject({
      type: 'completed',
      detail: { settledBy: 'reconciler', polls: 1 },
    });
    expect(
      await metricValue(gateway, 'gateway_jobs_ended_total', { settled_by: 'reconciler' }),
    ).toBeGreaterThan(0);
  });
});

it('leases every due job to exactly one of many sweeps', async () => {
  await waitingJobs(gateway, 500);
  const store = get(JobLeaseStore);
  const manager = get(DataSource).manager;
  const batches = await Promise.all(
    Array.from({ length: 8 }, () => store.leaseDueJobs(manager, randomUUID(), 100, 'all', 60)),
  );
  const ids = batches.flatMap((jobs) => jobs.map((job) => job.id));
  expect(ids.length).toBeGreaterThan(100);
  expect(new Set(ids).size).toBe(ids.length);
});

it('a failed sweep releases its jobs', async () => {
  await gateway.pool.query('UPDATE jobs SET next_check_at = NULL');
  await waitingJobs(gateway, 10);
  const { polls, bulkChecked } = await get(ReconcilerService)
    .sweep()
    .catch(() => ({ polls: 0, bulkChecked: 0 }));
  expect(polls + bulkChecked).toBe(10);

  await waitingJobs(gateway, 10);
  const broken = vi
    .spyOn(get(DueJobsService), 'requestPolls')
    .mockRejectedValueOnce(new Error('cut off'));
  vi.spyOn(get(DueJobsService), 'rescheduleOpen').mockRejectedValueOnce(new Error('cut off'));
  await expect(get(ReconcilerService).sweep()).rejects.toThrow('cut off');
  broken.mockRestore();
  const again = await get(ReconcilerService).sweep();
  expect(again.polls + again.bulkChecked).toBe(10);
});
