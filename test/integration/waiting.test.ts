import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

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
