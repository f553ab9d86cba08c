import {
  DISCARDED,
  EXPIRE_RESULTS,
  DELETE_CONTENTS,
  DELETE_CHUNKS,
  DELETE_JOBS,
  SEARCH_CONTENTS,
} from '../../src/jobs/persistence/job-retention.store.js';
import { DELETE_CALLBACKS } from '../../src/webhooks/callback-retention.js';
import { Client } from 'pg';
import { takesCallbacks } from './callbacks.js';
import { addFinishedJobs, sizeOf } from './finished-jobs.js';
import { describeMachine } from './machine.js';
import { readOptions } from './options.js';
import { median, percentile } from './statistics.js';
import { tableOf, takeTurns } from './turns.js';
import { World } from './world.js';

/*
 * What it costs to remove what is old, with a million finished jobs of which two thirds are too old: the plan
 * of each statement, the time of a step, and what callbacks notice of it.
 *
 *   npm run bench:retention -- [--finished 1000000] [--rounds 5] [--seconds 3]
 */

/** Of finished jobs five seconds apart: a million goes back 58 days. */
const DAYS = 20;
const ROUNDS = 100;
const QUIET_PER_SECOND = 200;
/** A small result; large ones cost by the chunk. */
const CHUNK_BYTES = 1500;

const RESULTS = `
  WITH result AS (
    INSERT INTO job_results (job_id, content_id, sha256, size_bytes, stored_bytes, stored_at)
    SELECT id, uuidv7(ended_at - now()), repeat('0', 64), $1::int * 4, $1::int, ended_at
      FROM jobs WHERE ended_at IS NOT NULL ORDER BY ended_at
    RETURNING content_id)
  INSERT INTO result_chunks (content_id, seq, bytes)
  SELECT content_id, 0, decode(repeat('5a', $1::int), 'hex') FROM result`;

/** Large results: their chunks as they are stored in production, 256 KiB each. */
const LARGE = `
  WITH content AS (
    INSERT INTO discarded_contents (content_id, discarded_at)
    SELECT gen_random_uuid(), now() - interval '1 day' FROM generate_series(1, $1::int)
    RETURNING content_id)
  INSERT INTO result_chunks (content_id, seq, bytes)
  SELECT content_id, seq, decode(repeat('5a', 262144), 'hex')
    FROM content, generate_series(0, 63) AS seq`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const options = readOptions(process.argv.slice(2));
if (options === undefined) throw new Error('see the head of this file');
const world = await World.start(options);
try {
  await measure(options.finished.at(-1) ?? 1_000_000);
} finally {
  await world.close();
}

async function measure(finished: number): Promise<void> {
  const { postgres } = world;
  describeMachine(await postgres.version()).forEach(say);
  const receiver = await world.gateway('webhooks');
  const { databaseUrl } = receiver;
  await addFinishedJobs(postgres, databaseUrl, finished);
  await postgres.query(databaseUrl, RESULTS, [CHUNK_BYTES]);
  await postgres.query(databaseUrl, LARGE, [ROUNDS]);
  await postgres.query(databaseUrl, 'VACUUM ANALYZE');
  const [old] = await postgres.query<{ n: number }>(
    databaseUrl,
    'SELECT count(*)::int AS n FROM jobs WHERE ended_at < now() - make_interval(days => $1)',
    [DAYS],
  );
  say(`${finished} finished jobs, ${old?.n} too old, ${await sizeOf(postgres, databaseUrl)}`);

  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  await plans(client);
  await steps(client);
  await client.end();
  await callbacks(receiver);
}

/** How each statement is carried out; a plan that reads a whole table is said with a cross. */
async function plans(client: Client): Promise<void> {
  const contents = async (): Promise<string[]> =>
    (await client.query<{ id: string }>(DISCARDED, [3600, 64])).rows.map(({ id }) => id);
  const zero = '00000000-0000-0000-0000-000000000000';
  const last = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  const statements = {
    'expire 200 results': [EXPIRE_RESULTS, [DAYS, 200]],
    'remove 500 callbacks': [DELETE_CALLBACKS, [DAYS, 500]],
    'remove 200 jobs': [DELETE_JOBS, [DAYS, 200]],
    'find discarded': [DISCARDED, [3600, 64]],
    'remove 64 chunks': [DELETE_CHUNKS, [await contents(), 64]],
    'forget contents': [DELETE_CONTENTS, [await contents()]],
    'search 500 contents': [SEARCH_CONTENTS, [zero, last, 500]],
  } as const;
  for (const [name, [sql, values]] of Object.entries(statements)) {
    await client.query('BEGIN');
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS OFF) ${sql}`,
      [...values],
    );
    await client.query('ROLLBACK');
    const lines = rows.map((row) => row['QUERY PLAN']);
    const whole = lines.filter((line) => line.includes('Seq Scan on'));
    const time = lines.find((line) => line.startsWith('Execution Time'));
    if (whole.length > 0) process.exitCode = 1;
    say(`${whole.length === 0 ? '✓' : '✗'} ${name}: ${time ?? ''}`);
    if (whole.length > 0 || process.env['PLANS'] === '1')
      lines.forEach((line) => say(`    ${line}`));
  }
}

/** The time of a step, each in a transaction of its own and committed. */
async function steps(client: Client): Promise<void> {
  const timed = async (name: string, step: () => Promise<unknown>): Promise<void> => {
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const begin = performance.now();
      await client.query('BEGIN');
      await step();
      await client.query('COMMIT');
      times.push(performance.now() - begin);
    }
    const [p50, p99] = [median(times), percentile(times, 0.99)];
    say(`${name}: median ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, of ${ROUNDS}`);
  };
  await timed('a step of 200 results', () => client.query(EXPIRE_RESULTS, [DAYS, 200]));
  await timed('a step of 500 callbacks', () => client.query(DELETE_CALLBACKS, [DAYS, 500]));
  await timed('a step of 200 jobs', () => client.query(DELETE_JOBS, [DAYS, 200]));
  await timed('a step of 64 chunks of 256 KiB', async () => {
    const { rows } = await client.query<{ id: string }>(DISCARDED, [3600, 64]);
    const ids = rows.map(({ id }) => id);
    await client.query(DELETE_CHUNKS, [ids, 64]);
    await client.query(DELETE_CONTENTS, [ids]);
  });
}

/** Callbacks beside a worker that removes, and beside one that does not. */
async function callbacks(receiver: Awaited<ReturnType<World['gateway']>>): Promise<void> {
  const { rounds, seconds, connections } = world.options;
  for (const [what, interval] of [
    ['nothing is removed', '86400'],
    ['old jobs, results and callbacks are removed all the time', '1'],
    ['nothing is removed', '86400'],
  ] as const) {
    const { mark } = world;
    await world.gateway('worker', {
      databaseUrl: receiver.databaseUrl,
      environment: {
        RETENTION_INTERVAL_SECONDS: interval,
        RESULT_RETENTION_DAYS: String(DAYS),
        CALLBACK_RETENTION_DAYS: String(DAYS),
        JOB_RETENTION_DAYS: String(DAYS),
        EVENT_RETENTION_DAYS: String(DAYS),
        POLL_SCHEDULE_SECONDS: '600000',
      },
    });
    const left = (): Promise<{ jobs: number; results: number }[]> =>
      world.postgres.query(
        receiver.databaseUrl,
        `SELECT (SELECT count(*)::int FROM jobs WHERE ended_at IS NOT NULL) AS jobs,
                (SELECT count(*)::int FROM job_results) AS results`,
      );
    const [before] = await left();
    const begin = performance.now();
    say(`\ncallbacks while ${what}:`);
    for (const [name, pressure] of [
      [`${QUIET_PER_SECOND} a second`, { connections: 16, perSecond: QUIET_PER_SECOND }],
      ['at the maximum rate', { connections }],
    ] as const) {
      const side = takesCallbacks(world, name, 'gateway', receiver, pressure);
      tableOf(await takeTurns(world, [side], rounds, seconds)).forEach(say);
    }
    const [after] = await left();
    const took = (performance.now() - begin) / 1000;
    const gone = (key: 'jobs' | 'results'): number => (before?.[key] ?? 0) - (after?.[key] ?? 0);
    say(
      `  meanwhile ${gone('results')} results and ${gone('jobs')} jobs went in ${took.toFixed(0)} s`,
    );
    await world.stopSince(mark);
  }
}
