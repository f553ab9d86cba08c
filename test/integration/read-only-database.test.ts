import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, expect, it } from 'vitest';
import { Settings } from '../../src/platform/config/settings.js';
import { startEmbeddedPostgres, type EmbeddedServer } from '../../src/dev/embedded-postgres.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { migrateTemplate } from '../support/migrate-template.js';
import { portOf, withPort } from '../support/proxied-gateway.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

/* Servers of their own, because the whole server becomes read-only: as a demoted primary after a failover. */

const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-read-only-'));
  cleanUps.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function startServer(folder: string): Promise<EmbeddedServer> {
  const server = await startEmbeddedPostgres(folder);
  cleanUps.push(() => server.stop());
  return server;
}

async function on<Row extends object>(server: EmbeddedServer, statement: string): Promise<Row[]> {
  const client = new Client({ connectionString: server.url, application_name: 'test' });
  await client.connect();
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}

async function setReadOnly(server: EmbeddedServer, value: 'on' | 'off'): Promise<void> {
  await on(server, `ALTER SYSTEM SET default_transaction_read_only = ${value}`);
  await on(server, 'SELECT pg_reload_conf()');
  await eventually(`read-only is ${value}`, async () => {
    const [row] = await on<{ value: string }>(
      server,
      `SELECT current_setting('default_transaction_read_only') AS value`,
    );
    return row?.value === value ? true : undefined;
  });
}

async function sessions(server: EmbeddedServer): Promise<number[]> {
  const found = await on<{ pid: number }>(
    server,
    `SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'reducto-gateway%'`,
  );
  return found.map(({ pid }) => pid);
}

async function start(url: string): Promise<TestGateway> {
  const gateway = await startGateway({ DATABASE_URL: url, LOG_LEVEL: 'info' });
  cleanUps.push(() => gateway.close());
  return gateway;
}

const parse = { type: 'parse', input: 'https://example.com/a.pdf' };
const ready = async (gateway: TestGateway): Promise<number> =>
  (await gateway.call('GET', '/health/ready')).status;

it('answers 503 while the database is read-only, leaves every connection, and is well again within 2 s', async () => {
  const server = await startServer(await newFolder());
  await migrateTemplate(Settings.load({ DATABASE_URL: server.url }));
  const gateway = await start(server.url);
  const under = await gateway.submit();
  await gateway.ended(await gateway.submit());
  const before = await sessions(server);

  await setReadOnly(server, 'on');
  const refused = await Promise.all(
    Array.from({ length: 20 }, () => gateway.call('POST', '/v1/jobs', parse)),
  );
  expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 503));
  expect(refused.every(({ headers }) => Number(headers.get('retry-after')) > 0)).toBe(true);
  expect(await ready(gateway)).toBe(503);
  await eventually('the connections from before are closed', async () => {
    const now = await sessions(server);
    return before.some((pid) => now.includes(pid)) ? undefined : true;
  });

  await setReadOnly(server, 'off');
  await eventually('a job is accepted', () => gateway.submit().catch(() => undefined));
  await eventually('ready', async () => ((await ready(gateway)) === 200 ? true : undefined));
  await eventually('the log says so', () =>
    gateway.logs.some((line) => line.includes('available again')) ? true : undefined,
  );
  const ids = await Promise.all(Array.from({ length: 20 }, () => gateway.submit()));
  const jobs = await Promise.all([under, ...ids].map((id) => gateway.ended(id)));
  expect(jobs.map(({ status }) => status)).toEqual(jobs.map(() => 'completed'));
});

it('follows a failover: no connection stays with the old primary, which is read-only', async () => {
  const folder = await newFolder();
  const made = await startEmbeddedPostgres(join(folder, 'a'));
  await migrateTemplate(Settings.load({ DATABASE_URL: made.url }));
  await made.stop();
  // With the owner of the files, who runs the server.
  execFileSync('cp', ['-a', join(folder, 'a'), join(folder, 'b')]);
  const old = await startServer(join(folder, 'a'));
  const promoted = await startServer(join(folder, 'b'));
  let primary = old;
  const proxy = await startTcpProxy(() => [portOf(primary.url)]);
  cleanUps.push(() => proxy.close());
  const gateway = await start(withPort(old.url, proxy.port));
  await gateway.submit();

  await setReadOnly(old, 'on');
  expect((await gateway.call('POST', '/v1/jobs', parse)).status).toBe(503);
  primary = promoted;
  await eventually('all connections lead to the new primary', async () => {
    const left = await sessions(old);
    return left.length === 0 && (await ready(gateway)) === 200 ? true : undefined;
  });
  // The new primary is a copy from before the keys of this test were made.
  const listening = await eventually('the session is open', async () => {
    const found = await on<{ pid: number }>(
      promoted,
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'reducto-gateway-session'`,
    );
    return found.length === 1 ? found : undefined;
  });
  expect(listening).toHaveLength(1);
});

it('answers 503 with Retry-After while the database accepts no connections, and is well again', async () => {
  const server = await startServer(await newFolder());
  await on(server, 'CREATE DATABASE closable');
  const url = server.url.replace(/\/postgres$/, '/closable');
  await migrateTemplate(Settings.load({ DATABASE_URL: url }));
  const gateway = await start(url);
  await gateway.submit();

  await on(server, 'ALTER DATABASE closable ALLOW_CONNECTIONS false');
  await on(
    server,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'closable'`,
  );
  const { status, headers } = await gateway.call('POST', '/v1/jobs', parse);
  expect([status, headers.get('retry-after')]).toEqual([503, '2']);
  expect(await ready(gateway)).toBe(503);

  await on(server, 'ALTER DATABASE closable ALLOW_CONNECTIONS true');
  await eventually('a job is accepted', () => gateway.submit().catch(() => undefined));
});

it('sums up an outage under load in a few lines', async () => {
  const server = await startServer(await newFolder());
  await migrateTemplate(Settings.load({ DATABASE_URL: server.url }));
  const gateway = await start(server.url);
  for (let n = 0; n < 10; n += 1) await gateway.submit();
  await setReadOnly(server, 'on');
  const from = gateway.logs.length;
  for (let n = 0; n < 30; n += 1) {
    const answers = Array.from({ length: 20 }, () => gateway.call('POST', '/v1/jobs', parse));
    expect((await Promise.all(answers)).every(({ status }) => status === 503)).toBe(true);
  }
  await setReadOnly(server, 'off');
  const last = await eventually('the log says that it is over', () =>
    gateway.logs.find((line) => line.includes('available again')),
  );
  const to = gateway.logs.indexOf(last) + 1;
  const lines = gateway.logs.slice(from, to).filter((line) => !line.includes('"status":2'));
  expect(lines.length).toBeLessThan(20);
  // Callbacks of the sandbox are refused too.
  const { requestsRefused } = JSON.parse(last) as { requestsRefused: number };
  expect(requestsRefused).toBeGreaterThanOrEqual(600);
});
