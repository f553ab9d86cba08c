import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { DeliveryLeaseStore } from '../../src/deliveries/delivering/delivery-lease.store.js';
import { DeliveryResultsStore } from '../../src/deliveries/delivering/delivery-results.store.js';
import { CallbackJobsService } from '../../src/jobs/callback-jobs.service.js';
import { JobDeletionStore } from '../../src/jobs/deletion/job-deletion.store.js';
import { JobLeaseStore } from '../../src/jobs/leases/job-lease.store.js';
import { JobRetentionStore } from '../../src/jobs/persistence/job-retention.store.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import { eventually, type TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';

/*
 * The order of locks (docs/decisions/0012-due-work-in-rows.md). The first session of each test holds the first lock of a statement and then takes
 * its next one. NOWAIT fails at once where the second session holds that, as a deadlock would a second later.
 */

let gateway: TestGateway;
let first: Client;
const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });

beforeAll(async () => {
  gateway = await startIdleGateway();
});
afterAll(() => gateway.close());
beforeEach(async () => {
  first = new Client({ connectionString: gateway.settings.DATABASE_URL });
  await first.connect();
  await first.query('BEGIN');
});
afterEach(async () => {
  await first.end();
  await gateway.pool.query(
    'DELETE FROM jobs; DELETE FROM upstream_deletions; DELETE FROM job_results; DELETE FROM deliveries; DELETE FROM endpoints; DELETE FROM events',
  );
});

/** Waits until `work` is done or waits for a lock of the first session. */
async function hasBegun(work: Promise<unknown>): Promise<void> {
  let isDone = false;
  work.then(
    () => (isDone = true),
    () => (isDone = true),
  );
  await eventually('the second session', async () => {
    const { rows } = await gateway.pool.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return isDone || rows.length > 0 ? true : undefined;
  });
}

/** A job that ended 100 days ago, with a result. */
async function endedJob(): Promise<string> {
  const id = randomUUID();
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, status, ended_at)
     VALUES ($1, 'invoices', 'parse', 'completed', now() - interval '100 days')`,
    [id],
  );
  await gateway.pool.query(
    `INSERT INTO job_results (job_id, content_id, sha256, size_bytes, stored_bytes, stored_at)
     VALUES ($1, gen_random_uuid(), '', 0, 0, now() - interval '100 days')`,
    [id],
  );
  return id;
}

/** A due delivery of an endpoint. */
async function delivery(ofEndpoint: string): Promise<string> {
  const { rows } = await gateway.pool.query<{ id: string }>(
    `INSERT INTO events (id, service, type, body) VALUES (new_event_id(), 'invoices', 'job.completed', '{}')
     RETURNING id`,
  );
  const id = rows[0]?.id ?? '';
  await gateway.pool.query(
    `INSERT INTO deliveries (event_id, endpoint_id, next_attempt_at) VALUES ($1, $2, now() - interval '1 s')`,
    [id, ofEndpoint],
  );
  return id;
}

async function limitedEndpoint(): Promise<string> {
  const id = randomUUID();
  await gateway.pool.query(
    `INSERT INTO endpoints (id, service, url, secret, rate_limit_per_second)
     VALUES ($1, 'invoices', 'http://127.0.0.1:9', 'plain:a', 10)`,
    [id],
  );
  return id;
}

describe('the deletion of a job, which holds the job,', () => {
  const expireResults = (): Promise<number> =>
    get(Transactions).run((manager) => get(JobRetentionStore).expireResults(manager, 30, 10));

  it('gets its result while retention expires results', async () => {
    const id = await endedJob();
    await first.query('SELECT FROM jobs WHERE id = $1 FOR UPDATE', [id]);
    const expired = expireResults();
    await hasBegun(expired);
    await first.query('SELECT FROM job_results WHERE job_id = $1 FOR UPDATE NOWAIT', [id]);
    await first.query('ROLLBACK');
    expect(await expired).toBe(0);
  });

  it('does not keep retention from the results of other jobs', async () => {
    const [id, other] = [await endedJob(), await endedJob()];
    await first.query('SELECT FROM jobs WHERE id = $1 FOR UPDATE', [id]);
    expect(await expireResults()).toBe(1);
    const { rows } = await gateway.pool.query('SELECT job_id FROM job_results');
    expect(rows).toEqual([{ job_id: id }]);
    expect(other).not.toBe(id);
  });

  it('leaves nothing to expire', async () => {
    const id = await endedJob();
    expect((await gateway.call('DELETE', `/v1/jobs/${id}`)).status).toBe(202);
    expect(await expireResults()).toBe(0);
  });
});

it('frees the jobs of a dead worker in the order of their ids', async () => {
  const [low = '', high = ''] = [randomUUID(), randomUUID()].toSorted();
  for (const id of [high, low]) {
    await gateway.pool.query(
      `INSERT INTO jobs (id, service, type, status, lease, worker, next_check_at)
       VALUES ($1, 'invoices', 'parse', 'submitted', gen_random_uuid(), 77, now())`,
      [id],
    );
  }
  await first.query('SELECT FROM jobs WHERE id = $1 FOR UPDATE', [low]);
  const freed = get(Transactions).run((manager) =>
    get(JobLeaseStore).freeWorker(manager, { id: 77, since: new Date() }, 1, 'gone'),
  );
  await hasBegun(freed);
  await first.query('SELECT FROM jobs WHERE id = $1 FOR UPDATE NOWAIT', [high]);
  await first.query('ROLLBACK');
  expect(await freed).toEqual({ due: 2, uncertain: 0 });
});

it('frees an attempt of a dead worker after its jobs with lower ids', async () => {
  const [low = '', high = ''] = [randomUUID(), randomUUID()].toSorted();
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, status, lease, worker, next_check_at, submit_started_at)
     VALUES ($1, 'invoices', 'parse', 'submitted', gen_random_uuid(), 77, now(), NULL),
            ($2, 'invoices', 'parse', 'queued', gen_random_uuid(), 77, now(), now())`,
    [low, high],
  );
  await first.query('SELECT FROM jobs WHERE id = $1 FOR UPDATE', [low]);
  const freed = get(Transactions).run((manager) =>
    get(JobLeaseStore).freeWorker(manager, { id: 77, since: new Date() }, 1, 'gone'),
  );
  await hasBegun(freed);
  await first.query('SELECT FROM jobs WHERE id = $1 FOR UPDATE NOWAIT', [high]);
  await first.query('ROLLBACK');
  expect(await freed).toEqual({ due: 1, uncertain: 1 });
});

describe('the record of an attempt, which holds the endpoint,', () => {
  it('gets its delivery while deliveries are leased', async () => {
    const endpoint = await limitedEndpoint();
    const event = await delivery(endpoint);
    await first.query('SELECT FROM endpoints WHERE id = $1 FOR UPDATE', [endpoint]);
    const leased = get(DeliveryLeaseStore).lease(5, { id: randomUUID(), worker: 1 });
    await hasBegun(leased);
    await first.query('SELECT FROM deliveries WHERE event_id = $1 FOR UPDATE NOWAIT', [event]);
    await first.query('ROLLBACK');
    expect((await leased).deliveries).toHaveLength(1);
  });

  it('is waited for by another record without a delivery', async () => {
    const endpoint = await limitedEndpoint();
    const event = await delivery(endpoint);
    const lease = randomUUID();
    await gateway.pool.query('UPDATE deliveries SET lease = $1', [lease]);
    await first.query('SELECT FROM endpoints WHERE id = $1 FOR UPDATE', [endpoint]);
    const recorded = get(DeliveryResultsStore).record(
      [
        {
          eventId: event,
          endpointId: endpoint,
          lease,
          attempt: 1,
          at: new Date(),
          durationMs: 1,
          status: 200,
          errorCode: null,
          error: null,
          responseHeaders: null,
          responseBody: null,
          outcome: { kind: 'delivered' },
        },
      ],
      'test',
      24,
    );
    await hasBegun(recorded);
    await first.query('SELECT FROM deliveries WHERE event_id = $1 FOR UPDATE NOWAIT', [event]);
    await first.query('ROLLBACK');
    expect(await recorded).toEqual([]);
    const { rows } = await gateway.pool.query('SELECT status FROM deliveries');
    expect(rows).toEqual([{ status: 'delivered' }]);
  });
});

it('frees the deliveries of a dead worker in the order of their events', async () => {
  const endpoint = await limitedEndpoint();
  const [low = '', high = ''] = [await delivery(endpoint), await delivery(endpoint)].toSorted();
  // The new version of the row is behind the other one in the table.
  for (const id of [high, low]) {
    await gateway.pool.query(
      'UPDATE deliveries SET lease = gen_random_uuid(), worker = 77 WHERE event_id = $1',
      [id],
    );
  }
  await first.query('SELECT FROM deliveries WHERE event_id = $1 FOR UPDATE', [low]);
  const freed = get(Transactions).run((manager) => get(DeliveryLeaseStore).freeWorker(manager, 77));
  await hasBegun(freed);
  await first.query('SELECT FROM deliveries WHERE event_id = $1 FOR UPDATE NOWAIT', [high]);
  await first.query('ROLLBACK');
  expect(await freed).toBe(2);
});

describe('what locks several jobs locks them in the order of their ids:', () => {
  /** The ids of two jobs; the one with the higher id is before the other in the table. */
  async function twoJobs(statusOfHigher = 'completed'): Promise<readonly [string, string]> {
    const [low = '', high = ''] = [randomUUID(), randomUUID()].toSorted();
    for (const [id, status] of [
      [high, statusOfHigher],
      [low, 'completed'],
    ]) {
      await gateway.pool.query(
        `INSERT INTO jobs (id, service, type, status, upstream_id, ended_at, next_check_at, webhook_url)
         VALUES ($1, 'invoices', 'parse', $2, $3, CASE WHEN $4 THEN now() END, CASE WHEN NOT $4 THEN now() END,
                 'https://example.com/')`,
        [id, status, `own-${id}`, status === 'completed'],
      );
    }
    return [low, high];
  }

  /** Which of the jobs `work` has locked while it waits for the one with the lower id. */
  async function lockedBefore(
    [low, high]: readonly [string, string],
    work: () => Promise<unknown>,
  ): Promise<unknown[]> {
    await first.query('SELECT FROM jobs WHERE id = $1 FOR UPDATE', [low]);
    const done = work();
    await hasBegun(done);
    const { rows } = await first.query('SELECT id FROM jobs WHERE id = $1 FOR UPDATE SKIP LOCKED', [
      high,
    ]);
    await first.query('ROLLBACK');
    await done;
    return rows.length === 1 ? [] : [high];
  }

  const recordCallbacks = (ids: readonly string[]): Promise<void> =>
    get(CallbackJobsService).withPolls((polls) =>
      polls.request(
        get(DataSource).manager,
        ids.map((jobId) => ({ jobId, upstreamId: 'other', status: 'Completed', proven: true })),
      ),
    );

  it('callbacks of jobs that ended with other upstream jobs', async () => {
    const jobs = await twoJobs();
    expect(await lockedBefore(jobs, () => recordCallbacks(jobs.toReversed()))).toEqual([]);
  });

  it('callbacks of a job that ended and of an open one', async () => {
    const jobs = await twoJobs('submitted');
    expect(await lockedBefore(jobs, () => recordCallbacks(jobs.toReversed()))).toEqual([]);
  });

  it('the erasure of webhooks', async () => {
    const jobs = await twoJobs();
    const erase = () =>
      get(Transactions).run((manager) => get(JobDeletionStore).eraseWebhooks(manager, jobs));
    expect(await lockedBefore(jobs, erase)).toEqual([]);
  });

  it('a search that found orphaned upstream jobs', async () => {
    const jobs = await twoJobs();
    const found = jobs.toReversed().map((jobId) => ({ jobId, upstreamId: `other-${jobId}` }));
    const queue = () => get(JobDeletionStore).queueOrphans(found, 'orphan', 'once-deleted');
    expect(await lockedBefore(jobs, queue)).toEqual([]);
  });
});
