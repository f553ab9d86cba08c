import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { startSandbox } from '../../src/sandbox/sandbox.js';
import { send } from '../support/gateway.js';
import { newProxiedDatabase } from '../support/proxied-gateway.js';
import type { TcpProxy } from '../support/tcp-proxy.js';

/* The built gateway as a process; `npm test` builds it first. */

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** Generous, and below the limit of each case that must not matter (25 and 60 s). */
const STOP_MILLISECONDS = 20_000;

const ADMIN_KEY = randomBytes(24).toString('hex');
const SHORT_SHUTDOWN = { DATABASE_TIMEOUT_SECONDS: '60', SHUTDOWN_TIMEOUT_SECONDS: '2' };

async function start(
  settings: Record<string, string>,
): Promise<{ child: ChildProcess; url: string; proxy: TcpProxy }> {
  const database = await newProxiedDatabase();
  cleanUps.push(() => database.close());
  const sandbox = await startSandbox();
  cleanUps.push(() => sandbox.close());
  const child = fork('dist/src/main.js', {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      DATABASE_URL: database.url,
      REDUCTO_API_KEY: sandbox.apiKey,
      REDUCTO_BASE_URL: sandbox.url,
      WEBHOOK_MODE: 'none',
      BOOTSTRAP_ADMIN_KEY: ADMIN_KEY,
      ...settings,
    },
  });
  cleanUps.push(() => child.kill('SIGKILL'));
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return { child, url, proxy: database.proxy };
}

async function stop(child: ChildProcess): Promise<[number | null, string | null]> {
  child.kill('SIGTERM');
  return (await once(child, 'exit')) as [number | null, string | null];
}

// First: each step of the shutdown has its own limit. Second: the timeout of the shutdown is shorter than these.
it.each([{ DATABASE_TIMEOUT_SECONDS: '1', SHUTDOWN_TIMEOUT_SECONDS: '25' }, SHORT_SHUTDOWN])(
  'ends a shutdown while the database is silent (%o)',
  async (limits) => {
    const { child, url, proxy } = await start(limits);
    expect((await send(`${url}/health/ready`, 'GET')).status).toBe(200);
    proxy.set('silent');
    const begin = performance.now();
    expect(await stop(child)).toEqual([0, null]);
    expect(performance.now() - begin).toBeLessThan(STOP_MILLISECONDS);
  },
);

it('ends a shutdown while no connection to the silent database is free and none can be opened', async () => {
  const { child, url, proxy } = await start({ ...SHORT_SHUTDOWN, DATABASE_POOL_SIZE: '4' });
  const headers = { authorization: `Bearer ${ADMIN_KEY}` };
  const read = async (): Promise<number> =>
    (await fetch(`${url}/v1/admin/jobs`, { headers })).status;
  expect(await read()).toBe(200);
  proxy.set('silent');
  const answers = Array.from({ length: 20 }, () => read().catch(() => undefined));
  // It waited for a connection.
  expect(await Promise.race(answers)).toBe(503);
  expect(await stop(child)).toEqual([0, null]);
});
