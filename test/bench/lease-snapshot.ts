import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import type { JobLeasing, RefusedJobs } from '../../src/jobs/leases/refused-jobs.js';
import { SubmissionQueueStore } from '../../src/jobs/submission/submission-queue.store.js';
import { Settings } from '../../src/platform/config/settings.js';
import { dataSourceOptions } from '../../src/platform/database/data-source-options.js';
import { prepareDatabase } from '../../src/platform/database/prepare-database.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import { startEmbeddedPostgres } from '../../src/dev/embedded-postgres.js';

/*
 * Duration of leases of one queued job while a transaction with an old snapshot is open, as of pg_dump, and without one.
 * Both sides drain a queue of the same jobs, in turns of `TURN` leases in one run. Prints medians, p99, and their ratios.
 */

const LEASES = Number(process.argv[2] ?? 50_000);
const TURN = 1000;
const SERVICES = 3;
/** Leased jobs leave the queue in batches, as their answers come. */
const SENT_TOGETHER = 20;

const QUEUED = `
  INSERT INTO jobs (id, service, type, priority, request, next_check_at)
  SELECT gen_random_uuid(), 'service-' || n % $2::int, 'parse', n % 10 = 0, '{}',
         now() - interval '1 h' + n * interval '1 ms'
    FROM generate_series(1, $1::int) AS n`;
const SENT = `
  UPDATE jobs SET status = 'submitted', upstream_id = id::text, submitted_at = now(), submit_started_at = NULL,
         lease = NULL, worker = NULL, next_check_at = now() + interval '1 h'
   WHERE id = ANY ($1::uuid[])`;

interface Side {
  readonly queue: SubmissionQueueStore;
  readonly dataSource: DataSource;
  readonly times: number[];
  leased: string[];
}

const directory = await mkdtemp(join(tmpdir(), 'lease-snapshot-'));
const server = await startEmbeddedPostgres(directory);
try {
  const quiet = await newSide('quiet');
  const dumped = await newSide('dumped');
  const dump = new Client({ connectionString: urlOf('dumped') });
  await dump.connect();
  await dump.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await dump.query('SELECT count(*) FROM jobs');
  for (let n = 0; n < LEASES; n += TURN) {
    for (const side of n % (2 * TURN) === 0 ? [quiet, dumped] : [dumped, quiet]) {
      await leaseJobs(side, TURN);
    }
  }
  print(`${LEASES} leases of one job, ${SERVICES} services, in ms:`);
  for (const [name, { times }] of Object.entries({ quiet, dumped })) {
    print(
      `  ${name.padEnd(8)} p50 ${quantile(times, 0.5)}  p99 ${quantile(times, 0.99)}  maximum ${quantile(times, 1)}`,
    );
  }
  const ratio = (q: number): string =>
    (Number(quantile(dumped.times, q)) / Number(quantile(quiet.times, q))).toFixed(2);
  print(`ratio with an old snapshot: p50 ${ratio(0.5)}, p99 ${ratio(0.99)} (at most 2)`);
  await dump.query('ROLLBACK');
  await dump.end();
  await quiet.dataSource.destroy();
  await dumped.dataSource.destroy();
} finally {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
}

function urlOf(name: string): string {
  return server.url.replace(/[^/]+$/, `bench_${name}`);
}

async function newSide(name: string): Promise<Side> {
  const admin = new Client({ connectionString: server.url });
  await admin.connect();
  await admin.query(`CREATE DATABASE bench_${name}`);
  await admin.end();
  const settings = Settings.load({
    NODE_ENV: 'test',
    DATABASE_URL: urlOf(name),
    DATABASE_POOL_SIZE: '2',
  });
  const silent = { log: () => undefined, error: print, warn: () => undefined };
  await prepareDatabase(settings, silent);
  const dataSource = await new DataSource(
    dataSourceOptions(settings, () => undefined),
  ).initialize();
  await dataSource.query(QUEUED, [LEASES, SERVICES]);
  await dataSource.query('VACUUM ANALYZE jobs');
  // PostgreSQL refuses none of these jobs.
  const leasesAll = {
    leaseJobs: <Job>(limit: number, leasing: JobLeasing<Job>) => leasing.leaseJobs(limit),
  } as unknown as RefusedJobs;
  const queue = new SubmissionQueueStore(
    dataSource.manager,
    new Transactions(dataSource),
    leasesAll,
  );
  return { queue, dataSource, times: [], leased: [] };
}

async function leaseJobs(side: Side, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const begin = performance.now();
    const jobs = await side.queue.leaseJobs(
      1,
      { id: randomUUID(), worker: 1 },
      { attempt: 70, other: 30 },
      86_400,
    );
    side.times.push(performance.now() - begin);
    if (jobs.length !== 1) throw new Error(`${jobs.length} jobs were leased`);
    side.leased.push(...jobs.map(({ id }) => id));
    if (side.leased.length < SENT_TOGETHER) continue;
    await side.dataSource.query(SENT, [side.leased]);
    side.leased = [];
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function quantile(values: readonly number[], q: number): string {
  const sorted = values.toSorted((one, other) => one - other);
  return (sorted[Math.min(Math.floor(sorted.length * q), sorted.length - 1)] ?? Number.NaN).toFixed(
    2,
  );
}
