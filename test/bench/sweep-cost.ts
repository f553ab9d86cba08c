import 'reflect-metadata';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { LEASE_POLLS } from '../../src/jobs/leases/job-lease.store.js';
import { FIND_DUE, REQUEST_POLLS, RESCHEDULE_OPEN } from '../../src/jobs/polling/due-jobs.store.js';
import { Settings } from '../../src/platform/config/settings.js';
import { startEmbeddedPostgres } from '../../src/dev/embedded-postgres.js';
import { prepareDatabase } from '../../src/platform/database/prepare-database.js';

/*
 * Cost of leasing due jobs beside few and beside a million finished jobs: both sides in one run, in turns. Prints the
 * plans, the medians, and their ratio.
 */

const DUE = 10_000;
const FEW = 10_000;
const MANY = 1_000_000;
const ROUNDS = 7;

const FINISHED = `
  INSERT INTO jobs (id, service, type, status, request_hash, upstream_id, settled_by, created_at, submitted_at, ended_at)
  SELECT gen_random_uuid(), 'bench', 'parse', 'completed', '\\x00', 'done-' || n, 'webhook',
         now() - n * interval '1 s', now() - n * interval '1 s', now() - n * interval '1 s'
    FROM generate_series(1, $1::int) AS n`;
const WAITING = `
  INSERT INTO jobs (id, service, type, status, request, request_hash, upstream_id, submitted_at, next_check_at)
  SELECT gen_random_uuid(), 'bench', 'parse', 'submitted', '{}', '\\x00', 'open-' || n, now(), now()
    FROM generate_series(1, $1::int) AS n`;
const DUE_AGAIN = `UPDATE jobs SET next_check_at = now(), lease = NULL WHERE next_check_at IS NOT NULL`;
const LEASE = [DUE, [], [], [], [], [], 0, '00000000-0000-4000-8000-000000000000', 0, 60];

const directory = await mkdtemp(join(tmpdir(), 'sweep-cost-'));
const server = await startEmbeddedPostgres(directory);
const quiet = { log: () => undefined, error: print, warn: () => undefined };
try {
  const few = await side('few', FEW);
  const many = await side('many', MANY);
  const times = { few: new Array<number>(), many: new Array<number>() };
  for (let round = 0; round < ROUNDS; round++) {
    times.few.push(await leaseAll(few));
    times.many.push(await leaseAll(many));
  }
  await explain(many);
  const [a, b] = [median(times.few), median(times.many)];
  print(`leasing ${DUE} due jobs, median of ${ROUNDS}:`);
  print(`  beside ${FEW} finished jobs     ${a.toFixed(0)} ms`);
  print(`  beside ${MANY} finished jobs   ${b.toFixed(0)} ms`);
  print(`  ratio ${(b / a).toFixed(2)}`);
  print(`leasing nothing, beside ${MANY}: ${(await leaseNothing(many)).toFixed(2)} ms`);
  await few.end();
  await many.end();
} finally {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
}

/** A database with `finished` jobs that have ended and the due ones. */
async function side(name: string, finished: number): Promise<Client> {
  const admin = new Client({ connectionString: server.url });
  await admin.connect();
  await admin.query(`CREATE DATABASE bench_${name}`);
  await admin.end();
  const url = server.url.replace(/[^/]+$/, `bench_${name}`);
  const settings = Settings.load({ NODE_ENV: 'test', DATABASE_URL: url });
  await prepareDatabase(settings, quiet);
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(FINISHED, [finished]);
  await client.query(WAITING, [DUE]);
  await client.query('VACUUM ANALYZE jobs');
  return client;
}

async function leaseAll(client: Client): Promise<number> {
  await client.query(DUE_AGAIN);
  const begin = performance.now();
  const { rowCount } = await client.query(LEASE_POLLS.live.text, LEASE);
  const time = performance.now() - begin;
  if (rowCount !== DUE) throw new Error(`${rowCount} jobs were leased`);
  await client.query('VACUUM jobs');
  return time;
}

async function leaseNothing(client: Client): Promise<number> {
  const times = new Array<number>();
  for (let round = 0; round < 50; round++) {
    const begin = performance.now();
    await client.query(LEASE_POLLS.live.text, LEASE);
    times.push(performance.now() - begin);
  }
  return median(times);
}

/** How each statement of a sweep is carried out beside many finished jobs. */
async function explain(client: Client): Promise<void> {
  await client.query(DUE_AGAIN);
  await client.query('BEGIN');
  const ids = await client.query<{ id: string }>(LEASE_POLLS.live.text, LEASE);
  await client.query('ROLLBACK');
  const all = ids.rows.map(({ id }) => id);
  const statements = {
    'leasing due jobs': [LEASE_POLLS.live.text, LEASE],
    'finding jobs for a bulk check': [FIND_DUE, [DUE, 86_400]],
    'rescheduling them': [RESCHEDULE_OPEN, [all, all.map(() => 60)]],
    'requesting their polls': [REQUEST_POLLS, [all]],
  } as const;
  for (const [name, [statement, values]] of Object.entries(statements)) {
    await client.query('BEGIN');
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) ${statement}`,
      [...values],
    );
    await client.query('ROLLBACK');
    print(`\n${name}, beside ${MANY} finished jobs:`);
    for (const row of rows) print(`  ${row['QUERY PLAN'].slice(0, 140)}`);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function median(values: number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
