import { JobReads } from '../../src/jobs/job-reads.store.js';
import { Submitter } from '../../src/jobs/submitter.js';
import type { TestGateway } from './gateway.js';

/** Has this process send job `id`, as it does with a job that it has taken up. */
export async function submitNow({ app }: Pick<TestGateway, 'app'>, id: string): Promise<void> {
  const open = await app.get(JobReads, { strict: false }).findOpen(id);
  if (open?.job.status !== 'queued') return;
  const { job, ages } = open;
  const { service, type, priority, request, refersToJobs, trace } = job;
  await app.get(Submitter, { strict: false }).send({
    id,
    service,
    type,
    priority,
    request,
    refersToJobs,
    trace,
    attempts: job.submitAttempts,
    begun: false,
    cancelWanted: job.cancelRequestedAt !== null,
    ageSeconds: ages.created,
    attemptSeconds: ages.submitStarted,
    takenAt: performance.now(),
  });
}
