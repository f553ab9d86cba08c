import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../../src/dev/free-port.js';
import { startEmbeddedPostgres } from '../../src/dev/embedded-postgres.js';
import { startSandbox, type Sandbox } from '../../src/sandbox/sandbox.js';
import { eventually, send } from '../support/gateway.js';
import { ADMIN_KEY, cleanUp, cleanUps, end, start } from '../support/processes.js';
import { dump, files, findDumpServer, type Way } from './ways.js';

/*
 * A backup is taken while jobs run; then the gateway and its database are lost, and a new gateway continues from
 * the backup, with the same keys.
 */

afterEach(cleanUp);

const FINISHED = 12;
const OPEN = 12;
const WAITING = 4;
const REFUSALS = 5;
/** One more for the API key that was created. */
const AUDIT_ENTRIES = REFUSALS + 1;

interface Service {
  submit(sim: Record<string, unknown>): Promise<string>;
  ended(id: string): Promise<Record<string, unknown>>;
  resultHash(id: string): Promise<string>;
}

async function serviceOf(url: string, key: string): Promise<Service> {
  const headers = { authorization: `Bearer ${key}` };
  return {
    submit: async (sim) => {
      const body = { type: 'parse', input: 'https://example.com/a.pdf', sim };
      const answer = await send(`${url}/v1/jobs`, 'POST', body, headers);
      expect(answer.status).toBe(202);
      return String(answer.body.id);
    },
    ended: async (id) =>
      eventually(`the end of ${id}`, async () => {
        const { body } = await send(`${url}/v1/jobs/${id}?wait=60`, 'GET', undefined, headers);
        return body.endedAt === null ? undefined : body;
      }),
    resultHash: async (id) => {
      const answer = await send(`${url}/v1/jobs/${id}/result`, 'GET', undefined, headers);
      expect(answer.status).toBe(200);
      return createHash('sha256').update(JSON.stringify(answer.body)).digest('hex');
    },
  };
}

async function newKey(url: string): Promise<string> {
  const admin = { authorization: `Bearer ${ADMIN_KEY}` };
  const body = { service: 'backup', scopes: ['jobs'] };
  return (await send(`${url}/v1/admin/keys`, 'POST', body, admin)).body.key;
}

async function continuesFromBackup(way: Way, installation?: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-backup-'));
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  const server = await startEmbeddedPostgres(join(directory, 'server'), [], installation);
  cleanUps.push(() => server.stop().catch(() => undefined));
  const sandbox = await startSandbox({
    platform: { queueMs: 20, runMs: 50, completingMs: 10, webhookDelayMs: 10 },
  });
  cleanUps.push(() => sandbox.close());
  const port = await freePort();
  const settings = {
    REDUCTO_API_KEY: sandbox.apiKey,
    REDUCTO_BASE_URL: sandbox.url,
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    PORT: String(port),
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
    AUDIT_KEYS: `1:${randomBytes(32).toString('base64')}`,
    POLL_SCHEDULE_SECONDS: '1',
    RECONCILE_INTERVAL_SECONDS: '1',
    SUBMIT_BACKOFF_SECONDS: '40',
    LOG_FORMAT: 'json',
    DATA_DIR: directory,
  };

  const first = await start({ ...settings, DATABASE_URL: server.url });
  const key = await newKey(first.url);
  const service = await serviceOf(first.url, key);
  const finished = await several(FINISHED, () => service.submit({}));
  await Promise.all(finished.map((id) => service.ended(id)));
  const hashes = await Promise.all(finished.map((id) => service.resultHash(id)));
  const forged = { status: 'Completed', job_id: 'forged' };
  await several(REFUSALS, () => send(`${first.url}/webhooks/reducto`, 'POST', forged));
  // Reducto has them, and finishes them only after the disaster.
  const open = await several(OPEN, () => service.submit({ stuck: 'InProgress' }));
  // Reducto does not accept them yet. Without a Retry-After, other jobs wait for half a second only.
  const busy = { submit: { fault: 'status', status: 302, times: 1 } };
  const waiting = await several(WAITING, () => service.submit(busy));
  await eventually('the jobs have their states', async () => {
    const states = await statesIn(server.url);
    return states['submitted'] === OPEN && states['deferred'] === WAITING ? true : undefined;
  });
  await eventually('the refusals are in the audit', async () =>
    (await auditEntriesIn(server.url)) >= AUDIT_ENTRIES ? true : undefined,
  );

  const traffic = keepBusy(service);
  const restore = await way.save(server, directory);
  await traffic.stop();
  await end(first.child, 'SIGKILL');
  if (way === files) await server.stop('immediate');
  for (const { id, sim } of sandbox.jobs.all()) {
    // No gateway receives their callbacks.
    if (sim.stuck !== undefined) await complete(sandbox, id);
  }

  const restored = await restore();
  cleanUps.push(() => restored.close());
  const second = await start({ ...settings, DATABASE_URL: restored.url });
  const again = await serviceOf(second.url, key);
  const ends = await Promise.all([...open, ...waiting].map((id) => again.ended(id)));
  expect(ends.map(({ status, reason }) => reason ?? status)).toEqual(
    [...open, ...waiting].map(() => 'completed'),
  );
  expect(await Promise.all(finished.map((id) => again.resultHash(id)))).toEqual(hashes);
  for (const id of [...open, ...waiting]) {
    expect(await again.resultHash(id)).toMatch(/^[0-9a-f]{64}$/);
    expect(sandbox.jobs.all().filter(({ body }) => JSON.stringify(body).includes(id))).toHaveLength(
      1,
    );
  }
  // The restored gateway also accepts the callbacks of new jobs.
  const latest = await again.submit({});
  expect(await again.ended(latest)).toMatchObject({ status: 'completed' });
  const admin = { authorization: `Bearer ${ADMIN_KEY}` };
  await eventually('the callback', async () => {
    const path = `/v1/admin/jobs/${latest}/callbacks`;
    const { body } = await send(`${second.url}${path}`, 'GET', undefined, admin);
    return body.callbacks.length > 0 ? true : undefined;
  });

  const environment = { PATH: process.env['PATH'], ...settings, DATABASE_URL: restored.url };
  const verified = await promisify(execFile)(
    process.execPath,
    ['dist/src/cli.js', 'audit', 'verify'],
    { env: environment },
  );
  expect(verified.stdout).toContain(`The audit is intact: ${AUDIT_ENTRIES} entries`);
}

/** Submits jobs while the backup is taken; it may or may not contain them. */
function keepBusy(service: Service): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) await service.ended(await service.submit({}));
  };
  const loops = Promise.all([loop(), loop()]);
  // If the backup fails, no caller awaits it.
  loops.catch(() => undefined);
  return {
    stop: async () => {
      stopping.abort();
      await loops;
    },
  };
}

function several<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, make));
}

async function statesIn(url: string): Promise<Record<string, number>> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ status: string; n: number }>(
    `SELECT CASE WHEN status = 'queued' AND submit_attempts = 1 AND submit_started_at IS NULL
                 THEN 'deferred' ELSE status END AS status, count(*)::int AS n
       FROM jobs GROUP BY 1`,
  );
  await client.end();
  return Object.fromEntries(rows.map(({ status, n }) => [status, n]));
}

async function auditEntriesIn(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM audit_entries',
  );
  await client.end();
  return rows[0]?.n ?? 0;
}

async function complete({ url }: Sandbox, id: string): Promise<void> {
  const { status } = await send(`${url}/control/jobs/${id}`, 'POST', { action: 'complete' });
  expect(status).toBe(200);
}

/** Deferred jobs wait 40 s, and two servers and two gateways start, one after the other. */
const TIMEOUT_MILLISECONDS = 300_000;

it(
  'continues from a copy of the files of the running server',
  async () => {
    await expect(continuesFromBackup(files)).resolves.toBeUndefined();
  },
  TIMEOUT_MILLISECONDS,
);

const dumpServer = findDumpServer();
if (!dumpServer.usable) {
  process.stdout.write(
    `The test of pg_dump is skipped: ${dumpServer.reason} (PG_DUMP, PG_RESTORE)\n`,
  );
}
it.runIf(dumpServer.usable)(
  'continues from a dump by pg_dump',
  async () => {
    const installation = dumpServer.usable ? dumpServer.installation : undefined;
    await expect(continuesFromBackup(dump, installation)).resolves.toBeUndefined();
  },
  TIMEOUT_MILLISECONDS,
);
