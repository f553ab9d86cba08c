import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  DeliveryLeaseStore,
  type DueDelivery,
} from '../../src/deliveries/delivering/delivery-lease.store.js';
import {
  DeliveryResultsStore,
  type AttemptRecord,
} from '../../src/deliveries/delivering/delivery-results.store.js';
import { LEASE } from '../../src/deliveries/delivering/lease-statements.js';
import { newLease } from '../support/due-work.js';
import type { TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';

/* Which deliveries a lease takes. No worker runs by itself. */

let gateway: TestGateway;
let store: DeliveryLeaseStore;
let results: DeliveryResultsStore;

beforeAll(async () => {
  gateway = await startIdleGateway({ DELIVERY_ENDPOINT_CONCURRENCY: '10' });
  store = gateway.app.get(DeliveryLeaseStore, { strict: false });
  results = gateway.app.get(DeliveryResultsStore, { strict: false });
});
afterAll(() => gateway.close());
beforeEach(() => gateway.pool.query('TRUNCATE events, endpoints, deliveries, delivery_attempts'));

/** An endpoint that has answered well, with due deliveries. `changes`: SQL of further columns. */
async function endpointWith(due: number, changes = 'last_success_at = now()'): Promise<string> {
  const id = randomUUID();
  await gateway.pool.query(
    `INSERT INTO endpoints (id, service, url, secret) VALUES ($1, 'invoices', 'http://127.0.0.1:9', 'plain:a')`,
    [id],
  );
  await gateway.pool.query(`UPDATE endpoints SET ${changes} WHERE id = $1`, [id]);
  await addDeliveries(id, due);
  return id;
}

/** Due deliveries to an endpoint. `lanes`: SQL of their lanes, by their number `n`. */
async function addDeliveries(endpointId: string, count: number, lanes = '0'): Promise<void> {
  await gateway.pool.query(
    `WITH event AS (
       INSERT INTO events (id, service, type, body)
       SELECT new_event_id(), 'invoices', 'job.failed', '{}' FROM generate_series(1, $2) RETURNING id)
     INSERT INTO deliveries (event_id, endpoint_id, lane, next_attempt_at)
     SELECT id, $1, ${lanes}, now() - interval '1 s' FROM (SELECT id, row_number() OVER () AS n FROM event) AS event`,
    [endpointId, count],
  );
}

const lease = async (limit: number, worker = 0): Promise<readonly DueDelivery[]> =>
  (await store.lease(limit, newLease(worker))).deliveries;

const countOf = (leased: readonly DueDelivery[], endpointId: string): number =>
  leased.filter((one) => one.endpointId === endpointId).length;

const recordOf = (
  delivery: DueDelivery,
  outcome: AttemptRecord['outcome'],
  changes: Partial<AttemptRecord> = {},
): AttemptRecord => ({
  eventId: delivery.eventId,
  endpointId: delivery.endpointId,
  lease: delivery.lease,
  attempt: delivery.attempts + 1,
  at: new Date(),
  durationMs: 5,
  status: 500,
  errorCode: null,
  error: null,
  responseHeaders: null,
  responseBody: null,
  outcome,
  ...changes,
});
const RETRY = { kind: 'retry', seconds: 5, pauseSeconds: 0 } as const;
const record = (...records: AttemptRecord[]) => results.record(records, 'test', 120);

const endpointOf = async (id: string) =>
  (await gateway.pool.query('SELECT * FROM endpoints WHERE id = $1', [id])).rows[0];

it('processes that lease at once stay within the concurrency of an endpoint', async () => {
  const id = await endpointWith(40);
  const leases = await Promise.all(Array.from({ length: 5 }, (_, worker) => lease(20, worker)));
  expect(countOf(leases.flat(), id)).toBe(10);
});

it('endpoints get equally many requests under way, whatever their backlogs', async () => {
  const ids = [await endpointWith(100), await endpointWith(3), await endpointWith(50)];
  const leased = await lease(9);
  expect(ids.map((id) => countOf(leased, id))).toEqual([3, 3, 3]);
  const more = await lease(4);
  expect(ids.map((id) => countOf(more, id))).toEqual([2, 0, 2]);
});

it('a hanging endpoint of a hundred holds no more slots than its own', async () => {
  const dead = await endpointWith(200);
  const others: string[] = [];
  for (let n = 0; n < 99; n++) others.push(await endpointWith(1));
  const leased = await lease(128);
  expect(countOf(leased, dead)).toBe(10);
  expect(others.every((id) => countOf(leased, id) === 1)).toBe(true);
});

/** How many rows of deliveries a lease reads. */
async function rowsRead(): Promise<number> {
  await gateway.pool.query('ANALYZE deliveries, endpoints, events');
  const client = await gateway.pool.connect();
  try {
    const values = [128, randomUUID(), 0, 10, 75];
    await client.query('BEGIN');
    const { rows } = await client.query({
      text: `EXPLAIN (ANALYZE, FORMAT JSON) ${LEASE.text}`,
      values,
    });
    return rowsOf(rows[0]['QUERY PLAN'][0].Plan);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

interface PlanNode {
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

function rowsOf(node: PlanNode): number {
  const { 'Actual Rows': rows, 'Actual Loops': loops, Plans: inner = [] } = node;
  const read = (rows + (node['Rows Removed by Filter'] ?? 0)) * loops;
  const own = node['Relation Name'] === 'deliveries' ? read : 0;
  return inner.reduce((sum, one) => sum + rowsOf(one), own);
}

it.each([
  ['hangs', `last_success_at = now()`],
  [
    'has an open circuit breaker',
    `consecutive_failures = 5, paused_until = now() + interval '5 min'`,
  ],
  ['is probed', `consecutive_failures = 5, paused_until = now() - interval '1 s'`],
  ['is disabled', 'enabled = false'],
  ['is for webhooks of jobs that hang', 'for_jobs = true'],
])('a lease reads no backlog of an endpoint that %s', async (_case, changes) => {
  for (let n = 0; n < 99; n++) await endpointWith(1);
  const dead = await endpointWith(20, changes);
  // All requests that the endpoint may have are under way.
  await lease(128);
  await gateway.pool.query(
    `UPDATE deliveries SET lease = NULL, next_attempt_at = now() - interval '1 s' WHERE endpoint_id <> $1`,
    [dead],
  );
  const short = await rowsRead();
  await addDeliveries(dead, 10_000);
  expect(await rowsRead()).toBeLessThanOrEqual(short + 5);
});

it.each([
  ['that has never answered well gets few', 'failing_since = NULL', 4],
  ['whose last attempt failed gets few', 'last_success_at = now(), consecutive_failures = 1', 4],
  ['that is disabled gets nothing', 'last_success_at = now(), enabled = false', 0],
  [
    'whose circuit breaker is open gets nothing',
    `consecutive_failures = 5, paused_until = now() + interval '5 min'`,
    0,
  ],
  [
    'whose circuit breaker is half open is probed once',
    `consecutive_failures = 5, paused_until = now() - interval '1 s'`,
    1,
  ],
])('an endpoint %s', async (_case, changes, expected) => {
  const id = await endpointWith(20, changes);
  expect(countOf(await lease(20), id)).toBe(expected);
});

it('the longest due delivery of an endpoint is first', async () => {
  const id = await endpointWith(3);
  const { rows } = await gateway.pool.query(
    `UPDATE deliveries SET next_attempt_at = now() - interval '1 h'
      WHERE event_id = (SELECT max(event_id::text)::uuid FROM deliveries) RETURNING event_id`,
  );
  const [first] = await lease(1);
  expect(first).toMatchObject({ eventId: rows[0].event_id, endpointId: id });
});

it('a delivery whose lease ran out is leased again, and the earlier lease writes nothing', async () => {
  await endpointWith(1);
  const [stale] = await lease(1);
  expect(await lease(1)).toEqual([]);
  await gateway.pool.query(`UPDATE deliveries SET next_attempt_at = now()`);
  const [current] = await lease(1);
  if (stale === undefined || current === undefined) throw new Error('nothing was leased');
  await record(recordOf(stale, { kind: 'delivered' }));
  const { rows } = await gateway.pool.query('SELECT status, lease FROM deliveries');
  expect(rows).toEqual([{ status: 'pending', lease: current.lease }]);
  const attempts = await gateway.pool.query('SELECT FROM delivery_attempts');
  expect(attempts.rowCount).toBe(1);
});

it('the deliveries of a dead worker are due at once', async () => {
  await endpointWith(3);
  await lease(3, 7);
  const { manager } = gateway.app.get(DataSource, { strict: false });
  expect(await store.freeWorker(manager, 7)).toBe(3);
  expect(await lease(3)).toHaveLength(3);
});

it('failures in a row open the circuit breaker, and its pause doubles with each failed probe', async () => {
  const id = await endpointWith(20);
  const leased = await lease(8);
  await record(...leased.map((one) => recordOf(one, RETRY)));
  const pauses: number[] = [];
  for (let probe = 0; probe < 4; probe++) {
    const { rows } = await gateway.pool.query(
      'SELECT extract(epoch FROM paused_until - last_failure_at)::float8 AS pause FROM endpoints',
    );
    pauses.push(rows[0].pause);
    await gateway.pool.query('UPDATE endpoints SET paused_until = now()');
    const [one] = await lease(1);
    if (one === undefined) throw new Error('no probe was leased');
    await record(recordOf(one, RETRY));
  }
  expect(pauses).toEqual([5, 10, 20, 40]);
  expect((await endpointOf(id)).failing_since).not.toBeNull();
});

it('a success closes the circuit breaker and ends the failure', async () => {
  const id = await endpointWith(
    2,
    `consecutive_failures = 9, failing_since = now() - interval '1 d'`,
  );
  const [one] = await lease(1);
  if (one === undefined) throw new Error('nothing was leased');
  expect(await record(recordOf(one, { kind: 'delivered' }, { status: 204 }))).toEqual([]);
  expect(await endpointOf(id)).toMatchObject({
    consecutive_failures: 0,
    failing_since: null,
    paused_until: null,
  });
});

it('an endpoint that has failed for too long is reported with each further failure', async () => {
  const id = await endpointWith(2, `failing_since = now() - interval '121 hours'`);
  const [one] = await lease(1);
  if (one === undefined) throw new Error('nothing was leased');
  expect(await record(recordOf(one, RETRY))).toEqual([{ id, isOverdue: true }]);
});

const laneOf = async (leased: readonly DueDelivery[]): Promise<number[]> => {
  const { rows } = await gateway.pool.query(
    'SELECT lane FROM deliveries WHERE event_id = ANY ($1)',
    [leased.map(({ eventId }) => eventId)],
  );
  return rows.map(({ lane }) => lane);
};

it('webhooks of jobs with one kind of URL get the slots of an endpoint, however often they failed', async () => {
  const id = await endpointWith(0, 'for_jobs = true, consecutive_failures = 9');
  await addDeliveries(id, 50, '2');
  expect(countOf(await lease(128), id)).toBe(10);
});

it('retries of webhooks of jobs get a quarter of the slots of an endpoint', async () => {
  const id = await endpointWith(0, 'for_jobs = true');
  await addDeliveries(id, 50, '3');
  expect(countOf(await lease(128), id)).toBe(3);
});

it('webhooks of a service’s jobs that hang in many lanes leave slots for other endpoints', async () => {
  const origins = [
    await endpointWith(0, 'for_jobs = true'),
    await endpointWith(0, `for_jobs = true, url = 'http://127.0.0.1:10'`),
  ];
  for (const id of origins) await addDeliveries(id, 1000, '2 + n % 200');
  const leased = [...(await lease(100)), ...(await lease(100)), ...(await lease(100))];
  expect(leased.length).toBeGreaterThan(20);
  expect(leased.length).toBeLessThanOrEqual(40);
  const other = await endpointWith(5);
  expect(countOf(await lease(100), other)).toBe(5);
});

it('a working webhook is called while others of the service hang in many slots', async () => {
  const id = await endpointWith(0, 'for_jobs = true');
  await addDeliveries(id, 100, '2 + 2 * (n % 4)');
  await lease(100);
  await addDeliveries(id, 5, '100');
  expect(await laneOf(await lease(100))).toEqual([100]);
});

it('the rate limit of an endpoint holds for all lanes of its webhooks together', async () => {
  const id = await endpointWith(0, 'for_jobs = true, rate_limit_per_second = 30');
  await addDeliveries(id, 50, '2 + 2 * (n % 10)');
  expect(countOf(await lease(100), id)).toBe(3);
  const { next_send_at: next } = await endpointOf(id);
  expect(next.getTime() - Date.now()).toBeGreaterThan(0);
});
