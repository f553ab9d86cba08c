import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  SubmissionQueueStore,
  type QueuedJob,
} from '../../src/jobs/submission/submission-queue.store.js';
import { SubmissionSlots } from '../../src/jobs/submission/submission-slots.js';
import { SubmissionTransitions } from '../../src/jobs/submission/submission-transitions.js';
import { Submitter } from '../../src/jobs/submission/submitter.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { WorkerLock } from '../../src/platform/work/worker-lock.js';
import { newLease } from '../support/due-work.js';
import { startIdleGateway } from '../support/idle-worker.js';

/* The queued jobs as the queue of what is sent: what is taken, what begins with that, and what goes back. */

let gateway: TestGateway;
afterEach(async () => {
  vi.restoreAllMocks();
  await gateway.close();
});
const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });
const row = async (id: string) =>
  (await gateway.pool.query('SELECT * FROM jobs WHERE id = $1', [id])).rows[0];
const take = (limit = 10) =>
  get(SubmissionTransitions).leaseJobs(limit, newLease(get(WorkerLock).heldBy));
async function takeOne(): Promise<QueuedJob> {
  const [taken] = await take();
  if (taken === undefined) throw new Error('nothing was taken');
  return taken;
}

describe('leasing a queued job', () => {
  beforeEach(async () => {
    gateway = await startIdleGateway();
  });

  it('begins the attempt of a job that can be sent', async () => {
    const id = await gateway.submit({ priority: true });
    expect(await take()).toMatchObject([
      {
        id,
        begun: true,
        attempts: 1,
        attemptSeconds: null,
        priority: true,
        cancelRequested: false,
      },
    ]);
    const { submit_started_at, submit_attempts, next_check_at } = await row(id);
    expect(submit_attempts).toBe(1);
    // Its request may take all of its time, and then some, until others take it for lost.
    const seconds = get(SubmissionTransitions).attemptSeconds;
    expect(next_check_at.getTime() - submit_started_at.getTime()).toBe(seconds * 1000);
    expect(seconds).toBeGreaterThan(gateway.settings.REDUCTO_SUBMIT_TIMEOUT_SECONDS + 5);
    expect(await gateway.events(id)).toEqual(['accepted', 'submit_started']);
    expect(await take()).toEqual([]);
  });

  it('begins the attempt of an edit, which has no input', async () => {
    const id = await gateway.submit();
    await gateway.pool.query(`UPDATE jobs SET request = '{"document_url": "reducto://a.pdf"}'`);
    expect(await take()).toMatchObject([{ id, begun: true, attempts: 1 }]);
  });

  it('leases a job to one of many workers', async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, () => gateway.submit()));
    const taken = await Promise.all(Array.from({ length: 10 }, () => take(7)));
    const all = [...taken.flat(), ...(await take(40))].map(({ id }) => id);
    expect(all.toSorted()).toEqual(ids.toSorted());
  });

  it('leases jobs in the order of acceptance', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push(await gateway.submit());
    const taken = new Set([...(await take(2)), ...(await take(2))].map(({ id }) => id));
    expect(taken).toEqual(new Set(ids.slice(0, 4)));
  });

  it.each([
    ['is to be cancelled', 'cancel_requested_at = now()'],
    ['is too old', `created_at = now() - interval '9 days'`],
    ['has an attempt under way', `submit_started_at = now() - interval '9 s', submit_attempts = 1`],
    ['builds upon another job', 'refers_to_jobs = true'],
  ])('does not begin where it %s', async (_, change) => {
    const id = await gateway.submit();
    await gateway.pool.query(`UPDATE jobs SET ${change}`);
    const before = await row(id);
    const [taken] = await take();
    expect(taken).toMatchObject({ id, begun: false, attempts: before.submit_attempts });
    expect(taken?.attemptSeconds ?? 9).toBeCloseTo(9, 0);
    const after = await row(id);
    const leased = { next_check_at: null, lease: null, worker: null };
    expect({ ...after, ...leased }).toEqual({ ...before, ...leased });
    expect(after.next_check_at.getTime()).toBeGreaterThan(Date.now() + 20_000);
  });

  it('begins the attempt of a job whose input only resembles a job reference', async () => {
    const id = await gateway.submit({ input: 'https://example.com/?from=jobid://x' });
    const taken = await takeOne();
    expect(taken.begun).toBe(true);
    expect(await get(Submitter).submitJob(taken)).toBeUndefined();
    expect((await row(id)).status).toBe('submitted');
  });

  it('does not send a job whose attempt began too long ago', async () => {
    const id = await gateway.submit();
    const taken = await takeOne();
    const late = { ...taken, leasedAt: performance.now() - 6000 };
    expect(await get(Submitter).submitJob(late)).toBe('release');
    expect((await row(id)).submit_attempts).toBe(1);
    expect(gateway.sandbox.jobs.all()).toEqual([]);
  });

  it('releases a job with a reason, and only in the state of its lease', async () => {
    const [first, second] = [await gateway.submit(), await gateway.submit()];
    const [{ lease } = { lease: '' }] = await take();
    const stale = { id: second, lease: newLease().id, attemptSeconds: null };
    await get(SubmissionQueueStore).releaseUnsent(
      [{ id: first, lease, attemptSeconds: null }, stale],
      'a stop',
    );
    expect(await row(first)).toMatchObject({ status: 'queued', submit_started_at: null });
    expect((await row(second)).submit_started_at).not.toBeNull();
    const { body } = await gateway.call('GET', `/v1/jobs/${first}/events`);
    expect(body.events.at(-1)).toMatchObject({
      type: 'submit_deferred',
      detail: { attempt: 1, reason: 'a stop', retryInSeconds: 0 },
    });
    expect(await take()).toMatchObject([{ id: first, begun: true, attempts: 2 }]);
  });
});

it('shutdown releases unsent jobs and waits for requests under way', async () => {
  gateway = await startGateway({ SUBMIT_CONCURRENCY: '2' });
  // As after many requests of a millisecond.
  vi.spyOn(get(SubmissionSlots), 'free', 'get').mockReturnValue(8);
  const slow = { submit: { fault: 'slow', delayMs: 1000 }, stuck: 'InProgress' };
  await Promise.all(Array.from({ length: 8 }, () => gateway.submit({ sim: slow })));
  const begun = async (): Promise<number> =>
    (await gateway.pool.query('SELECT id FROM jobs WHERE submit_started_at IS NOT NULL'))
      .rowCount ?? 0;
  await eventually('attempts ahead', async () => ((await begun()) === 8 ? true : undefined));
  await eventually('two on their way', () =>
    gateway.sandbox.jobs.all().length === 2 ? true : undefined,
  );
  await gateway.app.close();

  expect(gateway.sandbox.jobs.all()).toHaveLength(2);
  const { rows } = await gateway.pool.query(`SELECT status, submit_started_at IS NULL AS free,
    next_check_at <= now() AS due, count(*)::int AS jobs FROM jobs GROUP BY 1, 2, 3 ORDER BY 1`);
  expect(rows).toEqual([
    { status: 'queued', free: true, due: true, jobs: 6 },
    { status: 'submitted', free: false, due: false, jobs: 2 },
  ]);
});
