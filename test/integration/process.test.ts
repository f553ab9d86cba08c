import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../src/dev/free-port.js';
import { startSandbox } from '../../src/sandbox/sandbox.js';
import { eventually, newDatabase, send } from '../support/gateway.js';
import {
  ADMIN_KEY,
  cleanUp,
  cleanUps,
  end,
  run,
  start,
  type Started,
} from '../support/processes.js';

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

it('refuses to start in production with one message about everything that is missing', async () => {
  const { code, text } = await run(['dist/src/main.js'], { NODE_ENV: 'production', PORT: 'x' });
  expect(code).toBe(2);
  expect(text).toContain('PORT must be a whole number');
  const all = await run(['dist/src/main.js'], { NODE_ENV: 'production' });
  for (const name of ['DATABASE_URL', 'REDUCTO_API_KEY', 'PUBLIC_URL', 'TOKEN_KEYS'])
    expect(all.text).toContain(`${name} is missing`);
  expect(all.code).toBe(2);
});

it('refuses a database that lacks migrations in production, and says what to run', async () => {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const settings = {
    NODE_ENV: 'production',
    DATABASE_URL: database.url.replace(/[^/]+$/, 'postgres'),
    REDUCTO_API_KEY: 'key',
    PUBLIC_URL: 'https://gateway.example',
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
    AUDIT_KEYS: `1:${randomBytes(32).toString('base64')}`,
  };
  const { code, text } = await run(['dist/src/main.js'], settings);
  expect(code).toBe(1);
  expect(text).toContain('npm run migrate');
});

describe('on a bare machine', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gateway-bare-'));
    cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  });

  const printedBy = ({ output }: Started): string => output.join('');
  const keyPrintedBy = (started: Started): Promise<string> =>
    eventually('a key', () => /rgw_[\w-]{43}/.exec(printedBy(started))?.[0]);

  it('starts its own database and sandbox, keeps the data, and prints a key once', async () => {
    const first = await start({ DATA_DIR: directory });
    const headers = { authorization: `Bearer ${await keyPrintedBy(first)}` };
    expect(printedBy(first)).toMatch(/EMBEDDED PostgreSQL[\s\S]*SANDBOX/);
    const job = await send(
      `${first.url}/v1/jobs`,
      'POST',
      { type: 'parse', input: 'https://example.com/a.pdf' },
      headers,
    );
    expect(
      (await send(`${first.url}/v1/jobs/${job.body.id}?wait=60`, 'GET', undefined, headers)).body
        .status,
    ).toBe('completed');
    expect(await end(first.child, 'SIGTERM')).toBe(0);

    const second = await start({ DATA_DIR: directory });
    expect(
      (await send(`${second.url}/v1/jobs/${job.body.id}/result`, 'GET', undefined, headers)).status,
    ).toBe(200);
    await expect.poll(() => printedBy(second)).toContain('keys create');
    expect(printedBy(second)).not.toMatch(/rgw_[\w-]{43}/);
  });

  it('prints an example that ends with a result when it is pasted into a shell', async () => {
    const started = await start({ DATA_DIR: directory });
    const [example = ''] = await eventually(
      'the example',
      () => /^ {2}AUTH=[\s\S]*?\/result".*\n/m.exec(printedBy(started)) ?? undefined,
    );
    const { code, stdout, stderr } = await run(['-c', example], {}, 'sh');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [job, result] = stdout.trim().split('\n');
    expect(JSON.parse(job ?? '')).toMatchObject({ status: 'completed' });
    expect(JSON.parse(result ?? '').result.chunks[0].content).toContain('Rental Agreement');
  });

  it('prints a key with the scope admin and an example once for a database of its user', async () => {
    const database = await newDatabase();
    cleanUps.push(() => database.drop());
    const environment = {
      DATA_DIR: directory,
      DATABASE_URL: database.url,
      BOOTSTRAP_ADMIN_KEY: '',
    };
    const first = await start(environment);
    const headers = { authorization: `Bearer ${await keyPrintedBy(first)}` };
    expect((await send(`${first.url}/v1/admin/keys`, 'GET', undefined, headers)).status).toBe(200);
    await eventually(
      'the example',
      () => /AUTH=[\s\S]*\/result"/.exec(printedBy(first)) ?? undefined,
    );
    const { actions } = (await send(`${first.url}/v1/admin/actions`, 'GET', undefined, headers))
      .body;
    expect(actions).toMatchObject([{ action: 'key.create', state: 'done' }]);
    await end(first.child, 'SIGTERM');

    const second = await start(environment);
    await expect.poll(() => printedBy(second)).toContain('keys create');
    expect(printedBy(second)).not.toMatch(/rgw_[\w-]{43}/);
  });

  it('prints no key for a database of its user where an admin key is set', async () => {
    const database = await newDatabase();
    cleanUps.push(() => database.drop());
    const started = await start({ DATA_DIR: directory, DATABASE_URL: database.url });
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    const { keys } = (await send(`${started.url}/v1/admin/keys`, 'GET', undefined, headers)).body;
    expect(keys).toMatchObject([{ service: 'bootstrap' }]);
  });

  it('makes Reducto call back the port that it listens on with PORT=0', async () => {
    const started = await start({
      DATA_DIR: directory,
      PORT: '0',
      POLL_SCHEDULE_SECONDS: '600',
    });
    const headers = { authorization: `Bearer ${await keyPrintedBy(started)}` };
    expect(printedBy(started)).toContain(`PUBLIC_URL=${started.url}`);
    const job = await send(
      `${started.url}/v1/jobs`,
      'POST',
      { type: 'parse', input: 'https://example.com/a.pdf' },
      headers,
    );
    const path = `/v1/jobs/${job.body.id}?wait=60`;
    const { body } = await send(`${started.url}${path}`, 'GET', undefined, headers);
    expect(body).toMatchObject({ status: 'completed', settledBy: 'webhook' });
  });

  it('reports at every start what it serves and where', async () => {
    for (const _ of ['first', 'second']) {
      const started = await start({ DATA_DIR: directory });
      const { url } = started;
      for (const line of [
        `API: ${url}/v1`,
        `API documentation: ${url}/docs`,
        `Console: ${url}/admin`,
        `Metrics: ${url}/metrics`,
      ]) {
        await expect.poll(() => printedBy(started)).toContain(line);
      }
      await end(started.child, 'SIGTERM');
    }
  });

  it('reports each setting that differs from its default in a line, and no other setting', async () => {
    const started = await start({
      DATA_DIR: directory,
      DATABASE_POOL_SIZE: '7',
      LOG_LEVEL: 'info',
    });
    const lines = printedBy(started)
      .split('\n')
      .filter((line) => line.includes('"context":"Settings"'))
      .map((line) => String(JSON.parse(line).msg));
    expect(lines).toContain('DATABASE_POOL_SIZE=7 (environment)');
    expect(lines).toContain('BOOTSTRAP_ADMIN_KEY=******** (environment)');
    expect(lines).toContain('TOKEN_KEYS=******** (set by the gateway for local use)');
    expect(lines.filter((line) => /^(LOG_LEVEL|HOST|ROLES)=/.test(line))).toEqual([]);
  });

  it('shuts down in order if npm forwards a Ctrl-C that the terminal also sent', async () => {
    const started = await start({ DATA_DIR: directory });
    await keyPrintedBy(started);
    const exit = end(started.child, 'SIGINT');
    await eventually(
      'a stop',
      () => printedBy(started).includes('SIGINT: shutting down') || undefined,
    );
    started.child.kill('SIGINT');
    expect(await exit).toBe(0);
    await expect.poll(() => printedBy(started)).toContain('"msg":"stopped"');
  });

  it('shuts down in order if npm receives SIGTERM', async () => {
    const npm = spawn('npm', ['run', '--ignore-scripts', 'start'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_ENV: '', DATA_DIR: directory, PORT: String(await freePort()) },
    });
    let output = '';
    npm.stdout.on('data', (part) => (output += String(part)));
    const closed = once(npm, 'close');
    await expect.poll(() => output).toContain('Metrics: ');
    npm.kill('SIGTERM');
    expect(await closed).toEqual([0, null]);
    expect(output).toContain('"msg":"stopped"');
  });

  it('logs "stopped" as its last line', async () => {
    const started = await start({ DATA_DIR: directory });
    await keyPrintedBy(started);
    const closed = once(started.child, 'close');
    expect(await end(started.child, 'SIGTERM')).toBe(0);
    await closed;
    expect(JSON.parse(printedBy(started).trim().split('\n').at(-1) ?? '').msg).toBe('stopped');
  });
});

it('keeps accepted jobs through kill -9: each reaches Reducto exactly once and completes', async () => {
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
    POLL_SCHEDULE_SECONDS: '1',
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
});
