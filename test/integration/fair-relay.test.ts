import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { CallbackRelay } from '../../src/webhooks/relay/callback-relay.js';
import type { TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { acceptRows, refuseRows } from '../support/refusing-database.js';

/* How the services share the relay. No worker runs by itself. */

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startIdleGateway();
});
afterAll(() => gateway.close());
afterEach(() => gateway.pool.query('TRUNCATE callback_inbox, callbacks'));

const store = (service: string, count: number) =>
  gateway.pool.query(
    `INSERT INTO callback_inbox (service, job_id, upstream_id, status, proved_by, client_address)
     SELECT $1, gen_random_uuid(), 'unknown', 'Completed', 'token', '192.0.2.1' FROM generate_series(1, $2::int)`,
    [service, count],
  );
const waiting = async (): Promise<Record<string, number>> => {
  const { rows } = await gateway.pool.query<{ service: string; count: number }>(
    'SELECT service, count(*)::int AS count FROM callback_inbox GROUP BY service',
  );
  return Object.fromEntries(rows.map(({ service, count }) => [service, count]));
};

it('takes a callback of one service before 1,000 of another', async () => {
  await store('archive', 1000);
  await store('invoices', 1);
  const relay = gateway.app.get(CallbackRelay, { strict: false });
  expect(await relay.perform()).toBe(200);
  expect(await waiting()).toEqual({ archive: 801 });
});

it('takes turns between services', async () => {
  await store('archive', 1000);
  await store('invoices', 1000);
  await store('letters', 20);
  const relay = gateway.app.get(CallbackRelay, { strict: false });
  await relay.perform();
  expect(await waiting()).toEqual({ archive: 910, invoices: 910 });
});

it('takes each callback once, by several relays', async () => {
  await store('archive', 300);
  await store('invoices', 300);
  const relay = gateway.app.get(CallbackRelay, { strict: false });
  const counts = await Promise.all(Array.from({ length: 3 }, () => relay.perform()));
  const left = Object.values(await waiting()).reduce((sum, count) => sum + count, 0);
  expect(counts.reduce((sum, count) => sum + count, 0) + left).toBe(600);
});

it('counts each callback once, by several relays that relay one by one', async () => {
  await refuseRows(gateway.pool, 'callbacks', `NEW.status = 'Poison'`, '42P01');
  await store('archive', 150);
  await gateway.pool.query(
    `UPDATE callback_inbox SET status = 'Poison' WHERE id = (SELECT min(id) FROM callback_inbox)`,
  );
  const relay = gateway.app.get(CallbackRelay, { strict: false });
  const counts = await Promise.all(Array.from({ length: 3 }, () => relay.perform()));
  await acceptRows(gateway.pool, 'callbacks');
  expect(await waiting()).toEqual({ archive: 1 });
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(149);
});
