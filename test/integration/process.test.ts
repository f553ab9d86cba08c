import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../../src/platform/database/free-port.js';
import { startSandbox } from '../../src/sandbox/sandbox.js';
import { eventually, newDatabase, send } from '../support/gateway.js';
import { ADMIN_KEY, cleanUp, cleanUps, end, run, start } from '../support/processes.js';

afterEach(cleanUp);

async function keyOf(url: string): Promise<Record<string, string>> {
  const admin = { authorization: `Bearer ${ADMIN_KEY}` };
  const { body } = await send(
    `${url}/v1/admin/keys`,
    'POST',
    { service: 'p', scopes: ['jobs'] },
    admin,
  );
  return { authorization: `Bearer ${body.key}` };
}

it('production names everything that is missing, in one message, and does not start', async () => {
  const { code, text } = await run(['dist/src/main.js'], { NODE_ENV: 'production', PORT: 'x' });
  expect(code).toBe(2);
  expect(text).toContain('PORT must be a whole number');
  const all = await run(['dist/src/main.js'], { NODE_ENV: 'production' });
  for (const name of ['DATABASE_URL', 'REDUCTO_API_KEY', 'PUBLIC_URL', 'TOKEN_KEYS'])
    expect(all.text).toContain(`${name} is missing`);
  expect(all.code).toBe(2);
});

it('production refuses a database that lacks migrations, and says what to run', async () => {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const settings = {
    NODE_ENV: 'production',
    DATABASE_URL: database.url.replace(/[^/]+$/, 'postgres'),
    REDUCTO_API_KEY: 'key',
    PUBLIC_URL: 'https://gateway.example',
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
  };
  const { code, text } = await run(['dist/src/main.js'], settings);
  expect(code).toBe(1);
  expect(text).toContain('npm run migrate');
});

it('on a bare machine it brings its own database and sandbox, keeps the data, and prints a key once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-bare-'));
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  const first = await start({ DATA_DIR: directory });
  const key = await eventually('a key', () => /rgw_[\w-]{43}/.exec(first.output.join(''))?.[0]);
  const headers = { authorization: `Bearer ${key}` };
  expect(first.output.join('')).toMatch(/EMBEDDED PostgreSQL[\s\S]*SANDBOX/);
  const job = await send(
    `${first.url}/v1/jobs`,
    'POST',
    { type: 'parse', input: 'https://example.com/a.pdf' },
    headers,
  );
  expect(
    (await send(`${first.url}/v1/jobs/${job.body.id}?wait=20`, 'GET', undefined, headers)).body
      .status,
  ).toBe('completed');
  expect(await end(first.child, 'SIGTERM')).toBe(0);

  const second = await start({ DATA_DIR: directory });
  expect(
    (await send(`${second.url}/v1/jobs/${job.body.id}/result`, 'GET', undefined, headers)).status,
  ).toBe(200);
  await expect.poll(() => second.output.join('')).toContain('keys create');
  expect(second.output.join('')).not.toMatch(/rgw_[\w-]{43}/);
});

it('a 202 survives kill -9: every accepted job reaches Reducto exactly once and completes', async () => {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const sandbox = await startSandbox({ platform: { queueMs: 20, runMs: 50, completingMs: 10 } });
  cleanUps.push(() => sandbox.close());
  const settings = {
    DATABASE_URL: database.url,
    REDUCTO_API_KEY: sandbox.apiKey,
    REDUCTO_BASE_URL: sandbox.url,
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
    PORT: String(await freePort()),
    REDUCTO_SUBMIT_TIMEOUT_SECONDS: '1',
    UNCERTAIN_SCHEDULE_SECONDS: '0.5,0.5',
    LOOK_SCHEDULE_SECONDS: '1',
    RECONCILE_INTERVAL_SECONDS: '1',
    SUBMIT_CONCURRENCY: '2',
    LOG_FORMAT: 'json',
  };
  const first = await start(settings);
  const headers = await keyOf(first.url);
  const submit = (n: number) =>
    send(`${first.url}/v1/jobs`, 'POST', { type: 'parse', input: `https://e.com/${n}` }, headers);
  const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => submit(n)));
  await end(first.child, 'SIGKILL');
  const ids: string[] = answers.map((answer) => answer.body.id);
  expect(answers.every((answer) => answer.status === 202)).toBe(true);

  const second = await start(settings);
  const ended = await Promise.all(
    ids.map(
      async (id) =>
        (await send(`${second.url}/v1/jobs/${id}?wait=60`, 'GET', undefined, headers)).body.status,
    ),
  );
  expect(ended).toEqual(ids.map(() => 'completed'));
  const upstream = sandbox.jobs.all().map((job) => JSON.stringify(job.body));
  for (const id of ids) expect(upstream.filter((body) => body.includes(id))).toHaveLength(1);
}, 120_000);
