import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Client } from 'pg';
import { Agent, request } from 'undici';
import { afterEach, expect, it } from 'vitest';
import { startSandbox } from '../../src/sandbox/sandbox.js';
import { eventually, newDatabase, send } from '../support/gateway.js';
import { ADMIN_KEY, cleanUp, cleanUps, start } from '../support/processes.js';

const CALLS = 2000;
/** docker-compose.yml allows 768. */
const MAX_MEGABYTES = 640;

afterEach(cleanUp);

it(`answers ${CALLS} synchronous calls that wait at once, without holding database connections`, async () => {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const sandbox = await startSandbox({
    platform: { queueMs: 20, runMs: 20_000, completingMs: 10 },
  });
  cleanUps.push(() => sandbox.close());
  const gateway = await start({
    DATABASE_URL: database.url,
    REDUCTO_API_KEY: sandbox.apiKey,
    REDUCTO_BASE_URL: sandbox.url,
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
    LOG_LEVEL: 'warn',
  });
  const created = await send(
    `${gateway.url}/v1/admin/keys`,
    'POST',
    { service: 'waiting', scopes: ['jobs'] },
    { authorization: `Bearer ${ADMIN_KEY}` },
  );
  const dispatcher = new Agent({ headersTimeout: 0 });
  cleanUps.push(() => dispatcher.close());
  const padding = 'x'.repeat(10_000);
  const call = async (n: number): Promise<unknown> => {
    const answer = await request(`${gateway.url}/reducto/parse`, {
      method: 'POST',
      dispatcher,
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${created.body.key}`,
      },
      body: JSON.stringify({ input: `https://example.com/${n}.pdf`, padding }),
    });
    const body: unknown = await answer.body.json();
    return { status: answer.statusCode, body };
  };
  const answers = Promise.all(Array.from({ length: CALLS }, (_, n) => call(n)));
  const client = new Client({ connectionString: database.url });
  await client.connect();
  cleanUps.push(() => client.end());
  await eventually('all jobs are accepted', async () => {
    const { rows } = await client.query('SELECT count(*)::integer AS jobs FROM jobs');
    return rows[0].jobs === CALLS || undefined;
  });
  const open = await client.query(
    'SELECT count(*)::integer AS open FROM jobs WHERE ended_at IS NULL',
  );
  const connections = await client.query(
    `SELECT count(*)::integer AS count FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  );
  const megabytes = await residentMegabytes(gateway.child.pid);
  expect(open.rows[0].open).toBe(CALLS);
  expect(connections.rows[0].count).toBeLessThan(40);
  expect(megabytes).toBeLessThan(MAX_MEGABYTES);
  for (const answer of await answers)
    expect(answer).toMatchObject({ status: 200, body: { result: {} } });
}, 180_000);

async function residentMegabytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024);
}
