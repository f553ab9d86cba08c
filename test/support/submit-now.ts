import { JobQueries } from '../../src/jobs/persistence/job-queries.store.js';
import { Submitter } from '../../src/jobs/submission/submitter.js';
import type { TestGateway } from './gateway.js';

/** Submits job `id` in this process, as its worker does. */
export async function submitNow(
  { app, pool }: Pick<TestGateway, 'app' | 'pool'>,
  id: string,
): Promise<void> {
  const open = await app.get(JobQueries, { strict: false }).findOpen(id);
  if (open?.job.status !== 'queued') return;
  const { job, ages } = open;
  const { service, type, priority, refersToJobs, trace } = job;
  const { rows } = await pool.query<{ request: string | null }>(
    'SELECT request FROM jobs WHERE id = $1',
    [id],
  );
  await app.get(Submitter, { strict: false }).submitJob({
    id,
    service,
    type,
    priority,
    request: rows[0]?.request ?? null,
    refersToJobs,
    trace,
    attempts: job.submitAttempts,
    begun: false,
    cancelRequested: job.cancelRequestedAt !== null,
    ageSeconds: ages.created,
    attemptSeconds: ages.submitStarted,
    leasedAt: performance.now(),
  });
}
