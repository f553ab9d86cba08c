import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { send, startGateway, type TestGateway } from '../support/gateway.js';
import { cleanUp, start } from '../support/processes.js';
import { acceptRows, refuseRows } from '../support/refusing-database.js';
import { observeOnWrite } from '../support/observed-writes.js';
import { waitingJobs } from '../support/waiting-jobs.js';

/* The inbox between the door and the workers: what is in it is taken up once, whatever happens. */

const QUIET = { POLL_SCHEDULE_SECONDS: '600', RECONCILE_INTERVAL_SECONDS: '3600' };
let gateway: TestGateway;
afterEach(async () => {
  await cleanUp();
  await gateway.close();
});

async function putIn(count: number): Promise<void> {
  await gateway.pool.query(
    `INSERT INTO callback_inbox (job_id, upstream_id, status, proved_by, client_address)
     SELECT id, upstream_id, 'Completed', 'token', '192.0.2.1' FROM jobs ORDER BY random() LIMIT $1`,
    [count],
  );
}
async function counts(): Promise<unknown> {
  const { rows } = await gateway.pool.query(`SELECT
    (SELECT count(*)::int FROM callback_inbox) AS inbox,
    (SELECT sum(deliveries)::int FROM callbacks) AS entered,
    (SELECT count(*)::int FROM job_events WHERE type = 'callback_received') AS events,
    (SELECT count(*)::int FROM jobs WHERE callback_received_at IS NOT NULL) AS called`);
  return rows[0];
}

it('relays callbacks without a notification', async () => {
  gateway = await startGateway(QUIET);
  await waitingJobs(gateway, 450);
  await putIn(450);
  await expect.poll(counts).toEqual({ inbox: 0, entered: 450, events: 450, called: 450 });
});

it('relays without waiting for the disk', async () => {
  gateway = await startGateway(QUIET);
  const observed = await observeOnWrite(
    gateway.pool,
    'callbacks',
    `current_setting('synchronous_commit')`,
  );
  await waitingJobs(gateway, 3);
  await putIn(3);
  await expect.poll(observed).toEqual(['off']);
});

it('takes, stores, and records callbacks in one statement, so that a hung process holds no locks', async () => {
  gateway = await startGateway(QUIET);
  const inboxAndJobs = `current_query() ~ 'DELETE FROM callback_inbox' AND current_query() ~ 'UPDATE jobs'`;
  const observed = await observeOnWrite(gateway.pool, 'callbacks', inboxAndJobs);
  await waitingJobs(gateway, 3);
  await putIn(3);
  await expect.poll(observed).toEqual(['true']);
});

it('relays callbacks together', async () => {
  gateway = await startGateway(QUIET);
  const isBatch = `current_query() ~ 'planned AS'`;
  const observed = await observeOnWrite(gateway.pool, 'callbacks', isBatch);
  await waitingJobs(gateway, 3);
  await putIn(3);
  await expect.poll(observed, { timeout: 10_000 }).toEqual(['true']);
});

it('keeps the time of arrival of a callback that is relayed late', async () => {
  gateway = await startGateway(QUIET);
  await waitingJobs(gateway, 1);
  await gateway.pool.query(
    `INSERT INTO callback_inbox (job_id, upstream_id, status, proved_by, client_address, received_at)
     SELECT id, upstream_id, 'Completed', 'token', '192.0.2.1', now() - interval '1 hour' FROM jobs`,
  );
  await expect.poll(counts).toMatchObject({ inbox: 0, called: 1 });
  const { rows } = await gateway.pool.query(`SELECT
    round(extract(epoch FROM now() - received_at) / 60)::int AS minutes,
    round(extract(epoch FROM now() - callback_received_at) / 60)::int AS called
    FROM callbacks JOIN jobs ON jobs.id = job_id`);
  expect(rows).toEqual([{ minutes: 60, called: 60 }]);
});

it('relays each callback once, by several workers', async () => {
  gateway = await startGateway({ ...QUIET, ROLES: 'api' });
  await waitingJobs(gateway, 2000);
  await putIn(2000);
  const worker = {
    DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
    ROLES: 'worker',
    REDUCTO_API_KEY: gateway.sandbox.apiKey,
    REDUCTO_BASE_URL: 'http://127.0.0.1:9',
    PUBLIC_URL: 'http://127.0.0.1:9',
    TOKEN_KEYS: `1:${Buffer.alloc(32, 1).toString('base64')}`,
    ...QUIET,
  };
  await Promise.all([start(worker), start(worker), start(worker)]);
  await expect.poll(counts).toEqual({ inbox: 0, entered: 2000, events: 2000, called: 2000 });
});

it('keeps callbacks that cannot be relayed yet, and relays them later', async () => {
  gateway = await startGateway(QUIET);
  await waitingJobs(gateway, 3);
  const lock = new Client({ connectionString: gateway.settings.DATABASE_URL });
  await lock.connect();
  await lock.query('BEGIN; LOCK TABLE callbacks IN EXCLUSIVE MODE');
  const { rows } = await gateway.pool.query('SELECT id, upstream_id FROM jobs');
  for (const { id, upstream_id } of rows) {
    const answer = await send(`${gateway.url}/webhooks/reducto`, 'POST', {
      status: 'Completed',
      job_id: upstream_id,
      metadata: { gateway_job_id: id, token: gateway.tokens.signJobId(id) },
    });
    expect(answer.status).toBe(200);
  }
  expect(await counts()).toMatchObject({ inbox: 3, entered: null });
  await lock.query('COMMIT');
  await lock.end();
  await expect.poll(counts).toEqual({ inbox: 0, entered: 3, events: 3, called: 3 });
});

it('does not stumble over the callback of a job that is no longer there', async () => {
  gateway = await startGateway(QUIET);
  await waitingJobs(gateway, 2);
  await gateway.pool.query(
    `INSERT INTO callback_inbox (job_id, upstream_id, status, proved_by, client_address)
     VALUES ($1, 'gone', 'Completed', 'token', '192.0.2.1')`,
    [randomUUID()],
  );
  await putIn(2);
  await expect.poll(counts).toMatchObject({ inbox: 0, entered: 3, called: 2 });
});

describe('a callback that cannot be relayed', () => {
  it('because PostgreSQL refuses it is dropped with an error, and blocks no other callback', async () => {
    gateway = await startGateway(QUIET);
    await waitingJobs(gateway, 300);
    await refuseRows(gateway.pool, 'callbacks', `NEW.status = 'Poison'`);
    await gateway.pool.query(
      `INSERT INTO callback_inbox (job_id, upstream_id, status, proved_by, client_address)
       SELECT id, upstream_id, CASE WHEN row_number() OVER () % 100 = 1 THEN 'Poison' ELSE 'Completed' END,
              'token', '192.0.2.1' FROM jobs`,
    );
    await expect.poll(counts).toEqual({ inbox: 0, entered: 297, events: 297, called: 297 });
    const dropped = gateway.logs.filter((line) => line.includes('a callback was dropped'));
    expect(dropped).toHaveLength(3);
    expect(dropped.every((line) => line.includes('"level":"error"'))).toBe(true);
    expect(dropped.join('')).toContain('22021');
  });

  it('because of a defect stays while its job may need it, and blocks no other callback', async () => {
    gateway = await startGateway(QUIET);
    await waitingJobs(gateway, 3);
    await refuseRows(gateway.pool, 'callbacks', `NEW.status = 'Poison'`, '42P01');
    await gateway.pool.query(
      `INSERT INTO callback_inbox (job_id, upstream_id, status, proved_by, client_address)
       SELECT id, upstream_id, CASE WHEN row_number() OVER () = 1 THEN 'Poison' ELSE 'Completed' END,
              'token', '192.0.2.1' FROM jobs`,
    );
    await expect.poll(counts).toMatchObject({ inbox: 1, entered: 2, called: 2 });
    await gateway.pool.query(`UPDATE callback_inbox SET received_at = now() - interval '2 days'`);
    await expect.poll(counts).toMatchObject({ inbox: 0, entered: 2, called: 2 });
  });

  it('because of a defect leaves the way to callbacks behind 250 others like it', async () => {
    gateway = await startGateway(QUIET);
    await waitingJobs(gateway, 260);
    await refuseRows(gateway.pool, 'callbacks', `NEW.status = 'Poison'`, '42P01');
    await gateway.pool.query(
      `INSERT INTO callback_inbox (job_id, upstream_id, status, proved_by, client_address)
       SELECT id, upstream_id, CASE WHEN row_number() OVER () <= 250 THEN 'Poison' ELSE 'Completed' END,
              'token', '192.0.2.1' FROM jobs`,
    );
    await expect.poll(counts).toMatchObject({ inbox: 250, entered: 10, called: 10 });
    expect(
      gateway.logs.filter((line) => line.includes('a callback could not be relayed')),
    ).toHaveLength(1);
    await acceptRows(gateway.pool, 'callbacks');
    await expect.poll(counts).toMatchObject({ inbox: 0, entered: 260, called: 260 });
  });

  it('because of a defect is attempted once before the callbacks behind it, however long an attempt takes', async () => {
    gateway = await startGateway(QUIET);
    await waitingJobs(gateway, 260);
    // A refused row does not undo the count.
    await gateway.pool.query('CREATE SEQUENCE attempts');
    const slowly = `nextval('attempts') > 0 AND pg_sleep(0.02) IS NOT NULL`;
    await refuseRows(gateway.pool, 'callbacks', `NEW.status = 'Poison' AND ${slowly}`, '42P01');
    await gateway.pool.query(
      `INSERT INTO callback_inbox (job_id, upstream_id, status, proved_by, client_address)
       SELECT id, upstream_id, CASE WHEN row_number() OVER () <= 250 THEN 'Poison' ELSE 'Completed' END,
              'token', '192.0.2.1' FROM jobs`,
    );
    await expect.poll(counts).toMatchObject({ entered: 10 });
    const { rows } = await gateway.pool.query('SELECT last_value::int AS attempts FROM attempts');
    // Those of the batches, too.
    expect(rows[0].attempts).toBeLessThan(300);
  });
});
