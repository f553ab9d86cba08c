import { randomUUID } from 'node:crypto';
import type { Job as UpstreamJob } from '../../src/sandbox/jobs/job.js';
import { send, type TestGateway } from './gateway.js';

/**
 * Inserts `count` jobs into the sandbox and, as submitted and due, into the gateway's database, which
 * is faster than to submit them. Returns the sandbox jobs, oldest first.
 */
export async function waitingJobs(
  gateway: TestGateway,
  count: number,
  dueInSeconds = 0,
): Promise<UpstreamJob[]> {
  const template = await oneUpstreamJob(gateway);
  const jobs = Array.from({ length: count }, () => {
    const { jobs: all } = gateway.sandbox;
    const job = { ...template, id: randomUUID(), order: all.nextOrder, createdAt: Date.now() };
    all.add(job);
    return job;
  });
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, status, request, request_hash, upstream_id, submitted_at, next_check_at)
     SELECT gen_random_uuid(), 'invoices', 'parse', 'submitted', '{}', '\\x00', upstream_id, now(),
            now() + make_interval(secs => $2)
       FROM unnest($1::text[]) AS upstream_id`,
    [jobs.map(({ id }) => id), dueInSeconds],
  );
  return jobs;
}

async function oneUpstreamJob({ sandbox }: TestGateway): Promise<UpstreamJob> {
  const { body } = await send(
    `${sandbox.url}/parse_async`,
    'POST',
    {
      input: 'https://example.com/a.pdf',
      sim: { stuck: 'InProgress', webhook: { send: 'never' } },
    },
    { authorization: `Bearer ${sandbox.apiKey}` },
  );
  const job = sandbox.jobs.find(body.job_id);
  if (job === undefined) throw new Error('the sandbox made no job');
  return job;
}
