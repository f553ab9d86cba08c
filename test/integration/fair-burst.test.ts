import { afterEach, expect, it } from 'vitest';
import { observeOnWrite } from '../support/observed-writes.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';

/* A burst of one service beside single jobs of another, through the whole gateway. */

const QUIET = { POLL_SCHEDULE_SECONDS: '600', RECONCILE_INTERVAL_SECONDS: '3600' };
let gateway: TestGateway;
afterEach(() => gateway.close());

async function addQueued(service: string, count: number, priority = false): Promise<void> {
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, priority, request, next_check_at)
     SELECT gen_random_uuid(), $1, 'parse', $3, '{"input":"https://example.com/a.pdf"}', now()
       FROM generate_series(1, $2::int)`,
    [service, count, priority],
  );
}
const countOf = async (service: string, condition: string): Promise<number> => {
  const { rows } = await gateway.pool.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM jobs WHERE service = $1 AND ${condition}`,
    [service],
  );
  return rows[0]?.count ?? 0;
};

it.each([false, true])(
  'sends single jobs before a burst of another service (with priority: %s)',
  async (priority) => {
    gateway = await startGateway({ ...QUIET, SUBMIT_CONCURRENCY: '2' });
    await addQueued('archive', 5000, priority);
    for (let n = 0; n < 3; n++) {
      const id = await gateway.submit();
      await eventually('the submit', async () =>
        (await countOf('invoices', `id = '${id}' AND status <> 'queued'`)) === 1 ? true : undefined,
      );
      // Accepted jobs of the burst that were sent between the acceptance of the job and its submit.
      const before = await countOf(
        'archive',
        `submitted_at BETWEEN (SELECT created_at FROM jobs WHERE id = '${id}')
                          AND (SELECT submitted_at FROM jobs WHERE id = '${id}')`,
      );
      expect(before).toBeLessThan(300);
      expect(await countOf('archive', `status = 'queued'`)).toBeGreaterThan(0);
    }
  },
);

it('completes a job while thousands of another service wait', async () => {
  gateway = await startGateway({ ...QUIET, SUBMIT_CONCURRENCY: '2' });
  await addQueued('archive', 5000);
  const id = await gateway.submit();
  expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
  expect(await countOf('archive', `status = 'queued'`)).toBeGreaterThan(0);
});

it('leases jobs of a limited service in a transaction that loses its locks if its process hangs', async () => {
  gateway = await startGateway(QUIET);
  await gateway.pool.query(`INSERT INTO services (service, max_in_flight) VALUES ('invoices', 3)`);
  const name = 'idle_in_transaction_session_timeout';
  const observed = await observeOnWrite(gateway.pool, 'jobs', `current_setting('${name}')`);
  await gateway.ended(await gateway.submit());
  expect(await observed()).toContain('5s');
});

it('sends the next job of a limited service when one of its jobs ends', async () => {
  gateway = await startGateway({ ...QUIET, SUBMIT_CONCURRENCY: '10' });
  await gateway.pool.query(`INSERT INTO services (service, max_in_flight) VALUES ('invoices', 3)`);
  const ids = await Promise.all(Array.from({ length: 30 }, () => gateway.submit()));
  for (const id of ids) expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
  // Jobs that were at Reducto at the same moment, by the times that the gateway recorded.
  const { rows } = await gateway.pool.query<{ most: number }>(`
    SELECT max(at_once)::int AS most FROM (
      SELECT (SELECT count(*) FROM jobs AS other
               WHERE other.submitted_at <= job.submitted_at AND other.ended_at > job.submitted_at) AS at_once
        FROM jobs AS job) AS moments`);
  expect(rows[0]?.most).toBeLessThanOrEqual(3);
});
