import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, expect, it } from 'vitest';
import { Settings } from '../../src/platform/config/settings.js';
import { startEmbeddedPostgres } from '../../src/dev/embedded-postgres.js';
import { eventually, startGateway } from '../support/gateway.js';
import { migrateTemplate } from '../support/migrate-template.js';
import { portOf, withPort } from '../support/proxied-gateway.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

/* Stops and starts a PostgreSQL of its own under a running gateway. An unhandled error would end the process, and
   fails these tests. */

const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function openSessions(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query(
      `SELECT FROM pg_stat_activity WHERE application_name = 'reducto-gateway-session'`,
    );
    return rowCount ?? 0;
  } finally {
    await client.end();
  }
}

it.each(['fast', 'immediate'] as const)(
  'resumes requests, work, and notifications after a restart of the database (%s)',
  async (mode) => {
    const directory = await mkdtemp(join(tmpdir(), 'gateway-restart-'));
    cleanUps.push(() => rm(directory, { recursive: true, force: true }));
    let server = await startEmbeddedPostgres(directory);
    cleanUps.push(() => server.stop());
    await migrateTemplate(Settings.load({ DATABASE_URL: server.url }));
    // Its port is another one after each start.
    const proxy = await startTcpProxy(() => [portOf(server.url)]);
    cleanUps.push(() => proxy.close());
    const gateway = await startGateway({ DATABASE_URL: withPort(server.url, proxy.port) });
    cleanUps.push(() => gateway.close());
    const health = (path: string): Promise<number> =>
      gateway.call('GET', `/health/${path}`).then(({ status }) => status);
    const id = await gateway.submit();
    await gateway.ended(id);

    await server.stop(mode);
    expect(await health('ready')).toBe(503);
    expect(await health('live')).toBe(200);
    const refused = await gateway.call('GET', `/v1/jobs/${id}`);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);

    server = await startEmbeddedPostgres(directory);
    await eventually('ready', async () => ((await health('ready')) === 200 ? true : undefined));
    await eventually('the session is open again', async () =>
      (await openSessions(server.url)) === 1 ? true : undefined,
    );
    const ids = await Promise.all(Array.from({ length: 10 }, () => gateway.submit()));
    const jobs = await Promise.all(ids.map((id) => gateway.ended(id)));
    expect(jobs.map(({ status }) => status)).toEqual(ids.map(() => 'completed'));
  },
);
