import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { JobQueries } from '../../src/jobs/persistence/job-queries.store.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ POLL_SCHEDULE_SECONDS: '600' });
});
afterAll(() => gateway.close());
afterEach(() => void vi.restoreAllMocks());

const LISTENERS = `FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'reducto-gateway-session'`;

it('a waiting request survives the loss of the notification connection', async () => {
  const id = await gateway.submit({ sim: { stuck: 'InProgress' } });
  const waiting = gateway.call('GET', `/v1/jobs/${id}?wait=30`);
  const upstream = await eventually('the job upstream', () => gateway.sandbox.jobs.all()[0]);
  const before = await gateway.pool.query(`SELECT pid ${LISTENERS}`);
  expect(before.rows.length).toBeGreaterThan(0);
  await gateway.pool.query(`SELECT pg_terminate_backend(pid) ${LISTENERS}`);
  await eventually('another listener', async () => {
    const { rows } = await gateway.pool.query(`SELECT pid ${LISTENERS}`);
    const old = before.rows.map(({ pid }) => pid);
    return rows.some(({ pid }) => !old.includes(pid)) ? true : undefined;
  });
  await gateway.sandbox.runner.complete(upstream);
  expect((await waiting).body.status).toBe('completed');
});

it('a waiting request returns the open job at its timeout', async () => {
  const id = await gateway.submit({ sim: { stuck: 'InProgress', webhook: { send: 'never' } } });
  const { body } = await gateway.call('GET', `/v1/jobs/${id}?wait=1`);
  expect(body.endedAt).toBeNull();
});

it('a waiting request returns the job that another request reads after its end', async () => {
  const metadata = { invoice: 815 };
  const id = await gateway.submit({ metadata, sim: { runMs: 200 } });
  const waiting = await gateway.call('GET', `/v1/jobs/${id}?wait=30`);
  expect(waiting.body).toMatchObject({ status: 'completed', metadata, settledBy: 'webhook' });
  expect(waiting.body).toEqual((await gateway.call('GET', `/v1/jobs/${id}`)).body);
});

it('a waiting request reads a job once that its own process completes', async () => {
  const id = await gateway.submit({ sim: { runMs: 200 } });
  const reads = vi.spyOn(gateway.app.get(JobQueries, { strict: false }), 'findOwn');
  const { body } = await gateway.call('GET', `/v1/jobs/${id}?wait=30`);
  expect(body.status).toBe('completed');
  expect(reads).toHaveBeenCalledOnce();
});

it('a read of a job that has ended costs one query', async () => {
  const id = await gateway.submit();
  await gateway.call('GET', `/v1/jobs/${id}?wait=30`);
  const queries = vi.spyOn(Client.prototype, 'query');
  await gateway.call('GET', `/v1/jobs/${id}?wait=30`);
  const ofJob = queries.mock.calls.filter((call) => JSON.stringify(call).includes(id));
  expect(ofJob).toHaveLength(1);
});
