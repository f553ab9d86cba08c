import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JobCancellation } from '../../src/jobs/cancellation/job-cancellation.js';
import { JobTransitionsStore } from '../../src/jobs/persistence/job-transitions.store.js';
import { PollGrants } from '../../src/jobs/polling/poll-grants.js';
import { PollRequests, type VerifiedCallback } from '../../src/jobs/polling/poll-requests.js';
import { Notifications } from '../../src/platform/work/notifications.js';
import { JOB_STATUSES } from '../../src/jobs/job-status.js';
import type { TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';

/* Which rows the writes to `jobs` may change. No worker runs by itself. */

let gateway: TestGateway;
let store: JobTransitionsStore;
let manager: DataSource['manager'];

beforeAll(async () => {
  gateway = await startIdleGateway();
  store = gateway.app.get(JobTransitionsStore, { strict: false });
  manager = gateway.app.get(DataSource, { strict: false }).manager;
});
afterAll(() => gateway.close());

const TERMINAL = ['completed', 'failed', 'cancelled', 'expired'];

async function jobIn(status: string): Promise<string> {
  const id = randomUUID();
  const ended = TERMINAL.includes(status) ? 'now()' : 'NULL';
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, request, request_hash, status, ended_at, next_check_at, submit_attempts)
     VALUES ($1, 'invoices', 'parse', '{}', '\\x00', $2, ${ended}, now() + interval '1 h', 1)`,
    [id, status],
  );
  return id;
}

const row = async (id: string): Promise<Record<string, unknown>> =>
  (await gateway.pool.query('SELECT * FROM jobs WHERE id = $1', [id])).rows[0];

function callbackFor(jobId: string, changes: Partial<VerifiedCallback> = {}): VerifiedCallback {
  return { jobId, upstreamId: 'up-1', status: 'Completed', proven: true, ...changes };
}

const record = (...callbacks: VerifiedCallback[]): Promise<void> =>
  new PollRequests(new PollGrants(), gateway.app.get(Notifications, { strict: false })).request(
    manager,
    callbacks,
  );

describe('a callback', () => {
  it('gives a job its asserted upstream id if it is proven', async () => {
    const id = await jobIn('uncertain');
    await record(callbackFor(id));
    expect(await row(id)).toMatchObject({ asserted_upstream_id: 'up-1', poll_requested: true });
  });

  it('gives a job no upstream id if it is unproven', async () => {
    const id = await jobIn('uncertain');
    await record(callbackFor(id, { proven: false }));
    expect(await row(id)).toMatchObject({ asserted_upstream_id: null, poll_requested: true });
  });

  it('takes the upstream id of the proven one of two callbacks', async () => {
    const id = await jobIn('uncertain');
    const forged = callbackFor(id, { proven: false, upstreamId: 'forged' });
    await record(forged, callbackFor(id));
    expect((await row(id))['asserted_upstream_id']).toBe('up-1');
  });

  it('does not replace the upstream id that an earlier callback asserted', async () => {
    const id = await jobIn('uncertain');
    await record(callbackFor(id));
    await record(callbackFor(id, { upstreamId: 'up-2' }));
    expect((await row(id))['asserted_upstream_id']).toBe('up-1');
  });

  it.each(TERMINAL)('changes nothing of a job that is %s', async (status) => {
    const id = await jobIn(status);
    const before = await row(id);
    await record(callbackFor(id));
    expect(await row(id)).toEqual(before);
  });
});

describe('a request to cancel', () => {
  it.each(TERMINAL)('is not recorded for a job that is %s', async (status) => {
    const id = await jobIn(status);
    expect(await store.requestCancel(manager, id)).toBe(false);
    expect((await row(id))['cancel_requested_at']).toBeNull();
  });

  it('is recorded once', async () => {
    const id = await jobIn('submitted');
    expect(await store.requestCancel(manager, id)).toBe(true);
    expect(await store.requestCancel(manager, id)).toBe(false);
  });
});

describe('a cancel that was sent to Reducto', () => {
  const lease = randomUUID();
  const record = async (id: string): Promise<void> => {
    await gateway.pool.query('UPDATE jobs SET lease = $2 WHERE id = $1', [id, lease]);
    await gateway.app
      .get(JobCancellation, { strict: false })
      .recordCancelSent({ id, lease }, { kind: 'accepted' });
  };

  it('requests a poll of a submitted job', async () => {
    const id = await jobIn('submitted');
    await record(id);
    expect(await row(id)).toMatchObject({ poll_requested: true, lease: null });
    expect((await row(id))['cancel_sent_at']).toBeInstanceOf(Date);
  });

  it.each(JOB_STATUSES.filter((status) => status !== 'submitted'))(
    'changes nothing of a job that is %s',
    async (status) => {
      const id = await jobIn(status);
      const before = await row(id);
      await record(id);
      expect(await row(id)).toEqual({ ...before, lease });
    },
  );
});
