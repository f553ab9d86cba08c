import { randomUUID } from 'node:crypto';
import { CancelWork } from '../../src/jobs/cancellation/cancel.work.js';
import { LEASED_COLUMNS, type LeasedJob } from '../../src/jobs/leases/leased-job.js';
import { PollWork } from '../../src/jobs/polling/poll.work.js';
import { RecoveryWork } from '../../src/jobs/recovery/recovery.work.js';
import { SubmissionWork } from '../../src/jobs/submission/submission.work.js';
import { WorkerLock } from '../../src/platform/work/worker-lock.js';
import type { Lease, LeasedWork } from '../../src/platform/work/due-work.js';
import type { TestGateway } from './gateway.js';

/* What the workers do with due work, one step at a time, in a gateway whose workers do nothing by themselves. */

type Gateway = Pick<TestGateway, 'app' | 'pool'>;

/** By default of a worker that does not exist. */
export const newLease = (worker = 0): Lease => ({ id: randomUUID(), worker });

/** Leases the job for `seconds`, due or not, unless it is leased, queued, or has ended. */
export async function leaseJob(
  { pool }: Gateway,
  id: string,
  seconds = 30,
): Promise<LeasedJob | undefined> {
  const lease = newLease();
  const { rows } = await pool.query<LeasedJob>(
    `UPDATE jobs SET lease = $2, worker = 0, poll_requested = false,
            next_check_at = now() + make_interval(secs => $3)
      WHERE id = $1 AND status IN ('submitted', 'uncertain') AND (lease IS NULL OR next_check_at <= now())
     RETURNING ${LEASED_COLUMNS}`,
    [id, lease.id, seconds],
  );
  return rows[0];
}

/** Polls the job, or searches for it if it is uncertain. Nothing if it is leased, queued, or has ended. */
export async function pollNow(gateway: Gateway, id: string): Promise<void> {
  const job = await leaseJob(gateway, id);
  if (job === undefined) return;
  const work = job.status === 'uncertain' ? RecoveryWork : PollWork;
  await perform(gateway.app.get<LeasedWork<LeasedJob>>(work, { strict: false }), job, job.lease);
}

/** Polls all jobs that are due. */
export async function pollDue(gateway: Gateway): Promise<void> {
  await performDue(gateway, gateway.app.get(PollWork, { strict: false }));
}

/** Cancels all jobs at Reducto whose cancel is due. */
export async function cancelDue(gateway: Gateway): Promise<void> {
  await performDue(gateway, gateway.app.get(CancelWork, { strict: false }));
}

/** Searches for all uncertain jobs that are due. */
export async function recoverDue(gateway: Gateway): Promise<void> {
  await performDue(gateway, gateway.app.get(RecoveryWork, { strict: false }));
}

/** Sends up to `limit` queued jobs that are due. */
export async function submitDue(gateway: Gateway, limit = 5): Promise<void> {
  await performDue(gateway, gateway.app.get(SubmissionWork, { strict: false }), limit);
}

async function performDue<Item>(
  { app }: Gateway,
  work: LeasedWork<Item>,
  limit = 10_000,
): Promise<void> {
  // A worker without its lock sends nothing.
  const lease = newLease(app.get(WorkerLock, { strict: false }).heldBy);
  const items = await work.lease(limit, lease);
  const ends = await Promise.allSettled(items.map((item) => perform(work, item, lease.id)));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** As the engine does. */
async function perform<Item>(work: LeasedWork<Item>, item: Item, leaseId: string): Promise<void> {
  const lease = { id: leaseId, worker: 0 };
  try {
    if ((await work.perform(item, lease)) === 'release') await work.release([{ item, lease }]);
  } catch (error) {
    await work.release([{ item, lease }]);
    throw error;
  }
}
