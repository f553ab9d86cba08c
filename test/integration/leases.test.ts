import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { UPSTREAM_UNUSABLE } from '../../src/jobs/job-error.js';
import { JobLeaseStore } from '../../src/jobs/leases/job-lease.store.js';
import type { LeasedJob } from '../../src/jobs/leases/leased-job.js';
import { JobPoller } from '../../src/jobs/polling/job-poller.js';
import { PollTransitions } from '../../src/jobs/polling/poll-transitions.js';
import { PollWork } from '../../src/jobs/polling/poll.work.js';
import { ResultStore } from '../../src/jobs/results/result.store.js';
import { SubmissionTransitions } from '../../src/jobs/submission/submission-transitions.js';
import { SubmissionWork } from '../../src/jobs/submission/submission.work.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import { UpstreamRateLimiter } from '../../src/reducto/upstream-rate-limiter.js';
import { leaseJob, newLease, pollDue, pollNow } from '../support/due-work.js';
import type { TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { endCoolDowns } from '../support/rate-limits.js';
import { metricValue } from '../support/metrics.js';
import { waitingJobs } from '../support/waiting-jobs.js';

/* One poll of a job at a time; only the holder of the lease writes. No worker runs by itself. */

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startIdleGateway({ POLL_SCHEDULE_SECONDS: '600' });
});
afterAll(() => gateway.close());
afterEach(async () => {
  vi.restoreAllMocks();
  await gateway.pool.query('UPDATE jobs SET next_check_at = NULL');
});

const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });
const OPEN = { seconds: 60, answer: 'open', reason: null, found: 'open' } as const;

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
const expireLease = (id: string) =>
  gateway.pool.query(`UPDATE jobs SET next_check_at = now() - interval '1 s' WHERE id = $1`, [id]);
const secondsUntilDue = async (id: string): Promise<number> => {
  const { rows } = await gateway.pool.query(
    'SELECT extract(epoch FROM next_check_at - now())::float8 AS seconds FROM jobs WHERE id = $1',
    [id],
  );
  return rows[0].seconds;
};
/** Keeps Reducto from being polled until `endCoolDowns`. */
const beginCoolDown = () =>
  get(UpstreamRateLimiter).polls.reportOutcome('unavailable', { retryAfterSeconds: 60 });
async function leased(id: string): Promise<LeasedJob> {
  const job = await leaseJob(gateway, id);
  if (job === undefined) throw new Error('the job could not be leased');
  return job;
}
const asHeld = (item: LeasedJob) => ({ item, lease: { id: item.lease, worker: 0 } });

describe('a process that lost its lease', () => {
  it('cannot complete, end, or reschedule the job, and leaves no result behind', async () => {
    const { id } = await waitingJob();
    const stale = await leased(id);
    await expireLease(id);
    const fresh = await leased(id);
    const before = await row(id);

    const content = await get(ResultStore).writeContent(
      (async function* () {
        yield Buffer.from('{}');
      })(),
    );
    const transitions = get(PollTransitions);
    expect(await transitions.completeJob(stale, { content, files: [], missingFiles: [] })).toBe(
      false,
    );
    expect(await transitions.endJob(stale, 'failed', UPSTREAM_UNUSABLE)).toBe(false);
    expect(await transitions.reschedule(stale, OPEN)).toBe(false);
    await get(PollWork).renew([asHeld(stale)]);
    await get(PollWork).release([asHeld(stale)]);
    await get(PollWork).releaseLost([asHeld(stale).lease]);

    expect(await row(id)).toEqual(before);
    const { rows } = await gateway.pool.query(
      'SELECT count(*)::int AS n FROM result_chunks WHERE content_id = $1',
      [content.contentId],
    );
    expect(rows[0].n).toBe(0);
    expect(await transitions.reschedule(fresh, OPEN)).toBe(true);
  });

  it('cannot fail a job whose later submit attempt has begun', async () => {
    const { id } = await waitingJob();
    await gateway.pool.query(
      `UPDATE jobs SET status = 'queued', upstream_id = NULL, submit_attempts = 2 WHERE id = $1`,
      [id],
    );
    expect(
      await get(SubmissionTransitions).endUnsubmitted({ id }, 1, 'failed', UPSTREAM_UNUSABLE),
    ).toBe(false);
    expect((await row(id)).status).toBe('queued');
  });
});

describe('leasing polls', () => {
  it('leases every due job to exactly one of many workers', async () => {
    await waitingJobs(gateway, 500);
    const batches = await Promise.all(
      Array.from({ length: 8 }, () => get(JobLeaseStore).leasePolls(100, newLease())),
    );
    const ids = batches.flatMap((jobs) => jobs.map((job) => job.id));
    expect(ids.length).toBeGreaterThan(100);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('leases jobs with a trigger before those that are longer due', async () => {
    await waitingJobs(gateway, 20);
    const { id } = await waitingJob();
    await gateway.pool.query(
      `UPDATE jobs SET next_check_at = now() - interval '1 hour' WHERE next_check_at IS NOT NULL AND id <> $1`,
      [id],
    );
    await gateway.pool.query(
      'UPDATE jobs SET poll_requested = true, next_check_at = now() WHERE id = $1',
      [id],
    );
    expect(await get(JobLeaseStore).leasePolls(1, newLease())).toMatchObject([{ id }]);
  });

  it('takes a job over whose lease has expired, and not before', async () => {
    const { id } = await waitingJob();
    await leased(id);
    expect(await get(JobLeaseStore).leasePolls(10, newLease())).toEqual([]);
    await expireLease(id);
    expect(await get(JobLeaseStore).leasePolls(10, newLease())).toMatchObject([{ id }]);
  });

  it('renews the lease of a poll that lasts', async () => {
    const { id } = await waitingJob();
    const job = await leased(id);
    await gateway.pool.query(`UPDATE jobs SET next_check_at = now() + interval '1 s'`);
    await get(PollWork).renew([asHeld(job)]);
    expect(await secondsUntilDue(id)).toBeGreaterThan(20);
  });

  it('leaves due jobs untouched while Reducto is unavailable', async () => {
    const { id } = await waitingJob();
    await beginCoolDown();
    const before = await row(id);
    expect(await get(PollWork).permitsFor(5)).toBe(0);
    expect(await row(id)).toEqual(before);
    await endCoolDowns(gateway);
    expect(await get(PollWork).permitsFor(5)).toBeGreaterThan(0);
    expect(await get(PollWork).lease(10, newLease())).toMatchObject([{ id }]);
  });
});

it('a job whose poll a cool-down prevents keeps its turn before one that was polled meanwhile', async () => {
  const [prevented, polled] = [await waitingJob(), await waitingJob()];
  const job = await leased(prevented.id);
  await beginCoolDown();
  try {
    await get(PollTransitions).reschedule(await leased(polled.id), { ...OPEN, seconds: 0 });
    expect(await get(PollWork).perform(job)).toBe('release');
    await get(PollWork).release([asHeld(job)]);
  } finally {
    await endCoolDowns(gateway);
  }
  const { rows } = await gateway.pool.query(
    'SELECT id FROM jobs WHERE id = ANY ($1) AND next_check_at <= now() ORDER BY next_check_at',
    [[prevented.id, polled.id]],
  );
  expect(rows).toEqual([{ id: prevented.id }, { id: polled.id }]);
});

describe('the leases of a dead worker', () => {
  const free = (worker: number) =>
    get(Transactions).run((manager) =>
      get(JobLeaseStore).freeWorker(
        manager,
        { id: worker, since: new Date() },
        3,
        'its sender died',
      ),
    );

  it('make its polls due at once', async () => {
    const { id } = await waitingJob();
    await get(JobLeaseStore).leasePolls(10, { ...newLease(), worker: 4711 });
    expect(await free(4711)).toEqual({ due: 1, uncertain: 0 });
    expect(await row(id)).toMatchObject({ status: 'submitted', lease: null, worker: null });
    expect(await secondsUntilDue(id)).toBeLessThanOrEqual(0);
  });

  it('make its submit attempts uncertain, and leave those of others alone', async () => {
    const id = await gateway.submit();
    await get(SubmissionTransitions).leaseJobs(1, { ...newLease(), worker: 4712 });
    const other = await gateway.submit();
    await get(SubmissionTransitions).leaseJobs(1, { ...newLease(), worker: 4713 });
    expect(await free(4712)).toEqual({ due: 0, uncertain: 1 });
    expect(await row(id)).toMatchObject({ status: 'uncertain', lease: null, worker: null });
    expect(await gateway.events(id)).toContain('submit_uncertain');
    expect(await row(other)).toMatchObject({ status: 'queued', worker: 4713 });
    await gateway.pool.query('DELETE FROM jobs WHERE id = ANY ($1)', [[id, other]]);
  });
});

describe('leases whose answers were lost', () => {
  it('make polls due at once', async () => {
    const { id } = await waitingJob();
    await get(PollWork).releaseLost([asHeld(await leased(id)).lease]);
    expect(await row(id)).toMatchObject({ status: 'submitted', lease: null });
    expect(await secondsUntilDue(id)).toBeLessThanOrEqual(0);
  });

  it('make queued jobs due again if they were not sent', async () => {
    const id = await gateway.submit();
    const lease = newLease();
    await get(SubmissionTransitions).leaseJobs(1, lease);
    await get(SubmissionWork).releaseLost([lease]);
    expect(await row(id)).toMatchObject({ status: 'queued', submit_started_at: null, lease: null });
    expect(await gateway.events(id)).toEqual(['accepted', 'submit_started', 'submit_deferred']);
    await gateway.pool.query('DELETE FROM jobs WHERE id = $1', [id]);
  });
});

describe('a poll', () => {
  it('is followed by another one if a callback arrives meanwhile', async () => {
    const { id, upstream } = await waitingJob();
    const job = await leased(id);
    const body = {
      status: 'Completed',
      job_id: upstream,
      metadata: { gateway_job_id: id, token: gateway.tokens.signJobId(id) },
    };
    expect((await gateway.call('POST', '/webhooks/reducto', body)).status).toBe(200);
    await gateway.pool.query(
      `UPDATE jobs SET callback_received_at = now(), poll_requested = true WHERE id = $1`,
      [id],
    );
    await pollNow(gateway, id);
    expect((await row(id)).lease).toBe(job.lease);

    const upstreamJob = gateway.sandbox.jobs.find(upstream);
    if (upstreamJob !== undefined) await gateway.sandbox.runner.complete(upstreamJob);
    expect(await get(PollTransitions).reschedule(job, OPEN)).toBe(true);
    await pollDue(gateway);
    expect((await gateway.ended(id)).settledBy).toBe('webhook');
  });

  it('is due again at once after a database outage', async () => {
    const { id } = await waitingJob();
    const away = Object.assign(new Error('starting up'), { code: '57P03' });
    vi.spyOn(get(JobPoller), 'pollJob').mockRejectedValueOnce(away);
    await expect(pollNow(gateway, id)).rejects.toThrow('starting up');
    expect(await row(id)).toMatchObject({ lease: null, status: 'submitted', polls: 0 });
    expect(await secondsUntilDue(id)).toBeLessThanOrEqual(0);
  });

  it('that threw an unexpected error is repeated on the schedule, and counts', async () => {
    const { id } = await waitingJob();
    for (const polls of [1, 2]) {
      vi.spyOn(get(JobPoller), 'pollJob').mockRejectedValueOnce(new TypeError('broken'));
      await pollNow(gateway, id);
      expect(await row(id)).toMatchObject({ lease: null, status: 'submitted', polls });
      expect(await secondsUntilDue(id)).toBeGreaterThan(300);
    }
  });

  it('records settledBy and the number of polls in the timeline', async () => {
    const { id, upstream } = await waitingJob();
    await pollNow(gateway, id);
    const upstreamJob = gateway.sandbox.jobs.find(upstream);
    if (upstreamJob !== undefined) await gateway.sandbox.runner.complete(upstreamJob);
    await pollNow(gateway, id);
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
