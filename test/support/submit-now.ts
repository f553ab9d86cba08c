import { age } from '../../src/jobs/persistence/job-transitions.store.js';
import type { QueuedJob } from '../../src/jobs/submission/submission-queue.store.js';
import { Submitter } from '../../src/jobs/submission/submitter.js';
import { WorkerLock } from '../../src/platform/work/worker-lock.js';
import type { TestGateway } from './gateway.js';

/** Submits job `id` in this process, as its worker does. */
export async function submitNow(
  { app, pool }: Pick<TestGateway, 'app' | 'pool'>,
  id: string,
): Promise<void> {
  const { heldBy } = app.get(WorkerLock, { strict: false });
  const { rows } = await pool.query<Omit<QueuedJob, 'begun' | 'leasedAt'>>(
    `UPDATE jobs SET lease = gen_random_uuid(), worker = $2
      WHERE id = $1 AND status = 'queued' AND lease IS NULL
     RETURNING id, lease, worker, service, type, priority, request,
               refers_to_jobs AS "refersToJobs", trace, submit_attempts AS attempts,
               cancel_requested_at IS NOT NULL AS "cancelRequested", ${age('created_at')} AS "ageSeconds",
               ${age('submit_started_at')} AS "attemptSeconds"`,
    [id, heldBy],
  );
  const [job] = rows;
  if (job === undefined) return;
  await app
    .get(Submitter, { strict: false })
    .submitJob({ ...job, begun: false, leasedAt: performance.now() });
}
