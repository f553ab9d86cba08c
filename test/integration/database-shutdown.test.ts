import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { startSandbox } from '../../src/sandbox/sandbox.js';
import { send } from '../support/gateway.js';
import { newProxiedDatabase } from '../support/proxied-gateway.js';

/* The built gateway as a process; `npm test` builds it first. */

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** Generous, and below the limit of each case that must not matter (25 and 60 s). */
const STOP_MILLISECONDS = 20_000;

// First: each step of the shutdown has its own limit. Second: the timeout of the shutdown is shorter than these.
it.each([
  { DATABASE_TIMEOUT_SECONDS: '1', SHUTDOWN_TIMEOUT_SECONDS: '25' },
  { DATABASE_TIMEOUT_SECONDS: '60', SHUTDOWN_TIMEOUT_SECONDS: '2' },
])('ends a shutdown while the database is silent (%o)', async (limits) => {
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
      BOOTSTRAP_ADMIN_KEY: randomBytes(24).toString('hex'),
      ...limits,
    },
  });
  cleanUps.push(() => child.kill('SIGKILL'));
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  expect((await send(`${url}/health/ready`, 'GET')).status).toBe(200);
  database.proxy.set('silent');
  const begin = performance.now();
  child.kill('SIGTERM');
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect([code, signal]).toEqual([0, null]);
  expect(performance.now() - begin).toBeLessThan(STOP_MILLISECONDS);
});
