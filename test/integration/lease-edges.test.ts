import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { JobCancellation } from '../../src/jobs/cancellation/job-cancellation.js';
import { JobLeaseStore } from '../../src/jobs/leases/job-lease.store.js';
import { PollTransitions } from '../../src/jobs/polling/poll-transitions.js';
import { PollGrants } from '../../src/jobs/polling/poll-grants.js';
import { PollRequests } from '../../src/jobs/polling/poll-requests.js';
import { Notifications } from '../../src/platform/work/notifications.js';
import { SubmissionQueueStore } from '../../src/jobs/submission/submission-queue.store.js';
import { SubmissionTransitions } from '../../src/jobs/submission/submission-transitions.js';
import { SubmissionWork } from '../../src/jobs/submission/submission.work.js';
import { SubmissionRecovery } from '../../src/jobs/recovery/submission-recovery.js';
import { UpstreamSearch } from '../../src/jobs/recovery/upstream-search.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import { leaseJob, newLease } from '../support/due-work.js';
import type { TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { waitingJobs } from '../support/waiting-jobs.js';

/* What a release, a lost lease, and a trigger at the wrong moment must not undo. No worker runs by itself. */

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startIdleGateway({ POLL_SCHEDULE_SECONDS: '600' });
});
afterAll(() => gateway.close());
const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });
const row = async (id: string) =>
  (
    await gateway.pool.query(
      'SELECT *, extract(epoch FROM next_check_at - now())::float8 AS due FROM jobs WHERE id = $1',
      [id],
    )
  ).rows[0];
const expire = (id: string) =>
  gateway.pool.query(`UPDATE jobs SET next_check_at = now() - interval '1 s' WHERE id = $1`, [id]);
const drop = (id: string) => gateway.pool.query('DELETE FROM jobs WHERE id = $1', [id]);
async function waiting(): Promise<string> {
  const [upstream] = await waitingJobs(gateway, 1);
  return (await gateway.pool.query('SELECT id FROM jobs WHERE upstream_id = $1', [upstream?.id]))
    .rows[0].id;
}
function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing was leased');
  return value;
}
const callback = (id: string) =>
  get(Transactions).run((manager) =>
    new PollRequests(new PollGrants(), get(Notifications)).request(manager, [
      { jobId: id, upstreamId: randomUUID(), status: 'Completed', proven: true },
    ]),
  );

it('a release keeps an earlier attempt that may have been sent', async () => {
  const id = await gateway.submit();
  await get(SubmissionTransitions).leaseJobs(1, newLease());
  await gateway.pool.query(
    `UPDATE jobs SET submit_started_at = now() - interval '90 s' WHERE id = $1`,
    [id],
  );
  await expire(id);
  const lease = newLease();
  const work = get(SubmissionWork);
  const item = present((await work.lease(1, lease))[0]);
  expect(item).toMatchObject({ begun: false, attempts: 1 });
  // The database is away for one statement: `perform` answers `release`.
  const away = vi
    .spyOn(get(SubmissionTransitions), 'markUncertain')
    .mockRejectedValueOnce(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
  const end = await work.perform(item);
  away.mockRestore();
  expect(end).toBe('release');
  await work.release([{ item: item, lease }]);
  const [again] = await work.lease(1, newLease());
  await drop(id);
  expect(again).toMatchObject({ begun: false, attempts: 1 });
});

it('a lost lease keeps an earlier attempt that may have been sent', async () => {
  const id = await gateway.submit();
  await get(SubmissionTransitions).leaseJobs(1, newLease());
  await gateway.pool.query(
    `UPDATE jobs SET submit_started_at = now() - interval '90 s' WHERE id = $1`,
    [id],
  );
  await expire(id);
  const lease = newLease();
  await get(SubmissionTransitions).leaseJobs(1, lease);
  await get(SubmissionWork).releaseLost([lease]);
  const { submit_started_at: started } = await row(id);
  await drop(id);
  expect(started).not.toBeNull();
});

it('a job is not sent again if a callback comes during its search', async () => {
  const id = await gateway.submit();
  await gateway.pool.query(
    `UPDATE jobs SET status = 'uncertain', submit_started_at = now() - interval '9 s', submit_attempts = 1,
            uncertain_since = now() - interval '8 s', next_check_at = now() WHERE id = $1`,
    [id],
  );
  const job = present(await leaseJob(gateway, id));
  const search = vi.spyOn(get(UpstreamSearch), 'findJobs').mockImplementation(async (sought) => {
    await callback(id);
    return new Map(sought.map((one) => [one.id, { kind: 'absent' as const }]));
  });
  await get(SubmissionRecovery).resolve(job);
  search.mockRestore();
  const { status } = await row(id);
  await drop(id);
  expect(status).toBe('uncertain');
});

it('a cancel during a poll is due when the poll ends', async () => {
  const id = await waiting();
  const job = present(await leaseJob(gateway, id));
  await get(JobCancellation).requestCancel({ id });
  await get(PollTransitions).reschedule(job, {
    seconds: 300,
    reason: null,
    answer: 'open',
    found: 'open',
  });
  const { due } = await row(id);
  await drop(id);
  expect(due).toBeLessThanOrEqual(1);
});

it('a job whose cancel has waited for long is polled, and its poll cancels it', async () => {
  const id = await waiting();
  const lease = async (): Promise<string[]> =>
    (await get(JobLeaseStore).leasePolls(100, newLease())).map((job) => job.id);
  await gateway.pool.query('UPDATE jobs SET cancel_requested_at = now() WHERE id = $1', [id]);
  expect(await lease()).not.toContain(id);
  await gateway.pool.query(
    `UPDATE jobs SET cancel_requested_at = now() - interval '11 s' WHERE id = $1`,
    [id],
  );
  const leased = await lease();
  await drop(id);
  expect(leased).toContain(id);
});

it('an attempt cannot begin under a lease that passed on', async () => {
  const id = await gateway.submit();
  await gateway.pool.query(`UPDATE jobs SET refers_to_jobs = true WHERE id = $1`, [id]);
  const queue = get(SubmissionQueueStore);
  const times = { attempt: 50, other: 30 };
  const first = newLease();
  await queue.leaseJobs(1, first, times, 86_400);
  await expire(id);
  const second = newLease();
  await queue.leaseJobs(1, second, times, 86_400);
  expect(await queue.beginAttempt({ id, attempt: 1 }, first.id, 50)).toBe(false);
  expect(await queue.beginAttempt({ id, attempt: 1 }, second.id, 50)).toBe(true);
  await drop(id);
});

it('a failed poll is repeated at once if a callback came during it', async () => {
  const id = await waiting();
  const job = present(await leaseJob(gateway, id));
  await callback(id);
  await get(JobLeaseStore).releaseFailedPoll(job, 300);
  const { due } = await row(id);
  await drop(id);
  expect(due).toBeLessThanOrEqual(1);
});

it('the poll of a callback keeps its rank when its worker dies', async () => {
  const id = await waiting();
  await callback(id);
  await get(JobLeaseStore).leasePolls(1, { ...newLease(), worker: 4711 });
  await get(Transactions).run((manager) =>
    get(JobLeaseStore).freeWorker(manager, { id: 4711, since: new Date() }, 3, 'x'),
  );
  const { poll_requested: requested } = await row(id);
  await drop(id);
  expect(requested).toBe(true);
});
