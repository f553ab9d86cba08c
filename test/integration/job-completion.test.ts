import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { LeasedJob } from '../../src/jobs/leases/leased-job.js';
import { PollTransitions } from '../../src/jobs/polling/poll-transitions.js';
import { ResultStore, type NewContent } from '../../src/jobs/results/result.store.js';
import { leaseJob } from '../support/due-work.js';
import type { TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { waitingJobs } from '../support/waiting-jobs.js';

let gateway: TestGateway;
let job: LeasedJob;

beforeAll(async () => void (gateway = await startIdleGateway()));
afterAll(() => gateway.close());
beforeEach(async () => {
  const [waiting] = await waitingJobs(gateway, 1);
  const { rows } = await gateway.pool.query('SELECT id FROM jobs WHERE upstream_id = $1', [
    waiting?.id,
  ]);
  const leased = await leaseJob(gateway, rows[0].id);
  if (leased === undefined) throw new Error('the job was not leased');
  job = leased;
});

const get = <T>(type: abstract new (...args: never[]) => T): T =>
  gateway.app.get(type as never, { strict: false });

/** Too large to be stored with the end of its job. */
const largeContent = (): Promise<NewContent> =>
  get(ResultStore).writeContent(
    (async function* () {
      yield await Promise.resolve(randomBytes(200_000));
    })(),
  );

const resultOf = (content: NewContent) => ({ content, files: [], missingFiles: [] });

async function chunksOf({ contentId }: NewContent): Promise<number> {
  const { rows } = await gateway.pool.query(
    'SELECT count(*)::int AS n FROM result_chunks WHERE content_id = $1',
    [contentId],
  );
  return rows[0].n;
}

it('keeps the result of the current lease if a stale one completes in the same batch', async () => {
  const [stale, current] = [await largeContent(), await largeContent()];
  const transitions = get(PollTransitions);
  const completed = await Promise.all([
    transitions.completeJob({ id: job.id, lease: randomUUID() }, resultOf(stale)),
    transitions.completeJob(job, resultOf(current)),
  ]);
  expect(completed).toEqual([false, true]);
  expect([await chunksOf(stale), await chunksOf(current)]).toEqual([0, 1]);
});

it('never deletes the result that a job has, even if its completion seems to have failed', async () => {
  const content = await largeContent();
  expect(await get(PollTransitions).completeJob(job, resultOf(content))).toBe(true);
  expect(await get(PollTransitions).completeJob(job, resultOf(content))).toBe(false);
  expect(await chunksOf(content)).toBe(1);
});
