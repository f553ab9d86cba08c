import { JobReads } from '../../src/jobs/job-reads.store.js';
import { Submitter } from '../../src/jobs/submitter.js';
import type { TestGateway } from './gateway.js';

/** Has this process send job `id`, as it does with a job that it has taken up. */
export async function submitNow({ app }: Pick<TestGateway, 'app'>, id: string): Promise<void> {
  const open = await app.get(JobReads, { strict: false }).findOpen(id);
  if (open === undefined) return;
  const { job, ages } = open;
  const submitter = app.get(Submitter, { strict: false });
  await submitter.send({ job, ageSeconds: ages.created, attemptSeconds: ages.submitStarted });
}
