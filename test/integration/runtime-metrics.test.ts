import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { PoolMetrics } from '../../src/platform/metrics/pool.metrics.js';
import { DataSource } from 'typeorm';
import { metricValue } from '../support/metrics.js';
import { send, startGateway, type TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ DATABASE_POOL_SIZE: '3' });
});
afterAll(() => gateway.close());

function busy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** Above all noise, and far from the value in milliseconds. */
const BLOCKED_SECONDS = 1;
const worstDelay = (): Promise<number> =>
  metricValue(gateway, 'gateway_event_loop_delay_seconds', { quantile: '1' });

it('exposes a blocked event loop in seconds, and begins anew with the next scrape', async () => {
  await worstDelay();
  let worst = 0;
  const worstOfBlocked = async (): Promise<number> => {
    busy(BLOCKED_SECONDS * 1000);
    return (worst = await worstDelay());
  };
  // The timer that measures the delay may be due only after the scrape.
  await expect.poll(worstOfBlocked, { interval: 20 }).toBeGreaterThan(BLOCKED_SECONDS * 0.8);
  expect(worst).toBeLessThan(BLOCKED_SECONDS * 100);
  await expect.poll(worstDelay).toBeLessThan(BLOCKED_SECONDS * 0.8);
});

it('exposes the busy time of the event loop in seconds', async () => {
  const active = (): Promise<number> =>
    metricValue(gateway, 'gateway_event_loop_active_seconds_total');
  const before = await active();
  busy(BLOCKED_SECONDS * 1000);
  await expect.poll(async () => (await active()) - before).toBeGreaterThan(BLOCKED_SECONDS * 0.8);
  expect((await active()) - before).toBeLessThan(BLOCKED_SECONDS * 100);
});

it('exposes CPU, memory, and start time of this process', async () => {
  expect(await metricValue(gateway, 'process_resident_memory_bytes')).toBeGreaterThan(5e7);
  const started = await metricValue(gateway, 'process_start_time_seconds');
  expect(Math.abs(Date.now() / 1000 - performance.now() / 1000 - started)).toBeLessThan(60);
  const cpu = await metricValue(gateway, 'process_cpu_seconds_total');
  const begin = process.cpuUsage();
  while (process.cpuUsage(begin).user < 200_000) busy(10);
  expect((await metricValue(gateway, 'process_cpu_seconds_total')) - cpu).toBeGreaterThan(0.19);
});

it('exposes how many callers wait for an exhausted pool', async () => {
  // Its own work uses no connections.
  const gateway = await startIdleGateway({ DATABASE_POOL_SIZE: '3' });
  onTestFinished(() => gateway.close());
  const pools = gateway.app.get(PoolMetrics, { strict: false });
  const source = gateway.app.get(DataSource, { strict: false });
  const runners = Array.from({ length: 3 }, () => source.createQueryRunner());
  await Promise.all(runners.map((runner) => runner.connect()));
  const waiting = [source.query('SELECT 1'), source.query('SELECT 1')];
  pools.sample();
  await Promise.all(runners.map((runner) => runner.release()));
  await Promise.all(waiting);
  const pool = 'requests';
  expect(await metricValue(gateway, 'gateway_database_connections_max', { pool })).toBe(3);
  expect(await metricValue(gateway, 'gateway_database_connections', { pool, state: 'used' })).toBe(
    3,
  );
  expect(await metricValue(gateway, 'gateway_database_waiting', { pool })).toBeGreaterThanOrEqual(
    2,
  );
  pools.sample();
  expect(await metricValue(gateway, 'gateway_database_connections', { pool, state: 'used' })).toBe(
    0,
  );
  expect(await metricValue(gateway, 'gateway_database_waiting', { pool })).toBeGreaterThanOrEqual(
    2,
  );
  for (let n = 0; n < 15; n++) pools.sample();
  expect(await metricValue(gateway, 'gateway_database_waiting', { pool })).toBe(0);
});

it('exposes an audit that cannot be written, and its recovery', async () => {
  const log = gateway.app.get(AuditLog, { strict: false });
  const append = log.appendEntries.bind(log);
  log.appendEntries = () => Promise.reject(new Error('no'));
  await send(`${gateway.url}/webhooks/reducto`, 'POST', {});
  await expect
    .poll(() => metricValue(gateway, 'gateway_audit_write_failures_total'))
    .toBeGreaterThan(0);
  expect(await metricValue(gateway, 'gateway_audit_entries_waiting')).toBe(1);
  log.appendEntries = append;
  await expect.poll(() => metricValue(gateway, 'gateway_audit_entries_written_total')).toBe(1);
  expect(await metricValue(gateway, 'gateway_audit_entries_waiting')).toBe(0);
});

it('exposes the time of the last sweep', async () => {
  const last = await metricValue(gateway, 'gateway_reconciler_last_sweep_timestamp_seconds');
  expect(Math.abs(Date.now() / 1000 - last)).toBeLessThan(60);
  await expect
    .poll(() => metricValue(gateway, 'gateway_reconciler_last_sweep_timestamp_seconds'))
    .toBeGreaterThan(last);
});

it('exposes readiness as a metric', async () => {
  expect(await metricValue(gateway, 'gateway_ready', { check: 'database' })).toBe(1);
});
