import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { freePort } from '../../src/dev/free-port.js';
import type { BenchProcess } from './bench-process.js';
import { cpuSecondsOf } from './cpu-time.js';
import { PATH_TABLES } from './path-tables.js';
import type { PathPlan, PathProgress } from './path-plan.js';
import { median, spread } from './statistics.js';
import { submissionHeaders } from './submissions.js';
import { ratioLine } from './turns.js';
import type { Side, World } from './world.js';

const CONCURRENCY = 32;
const SIZES = [1000, 20_000];
const WANTED = 1;
const WARM_UP_JOBS = 600;
const TIMEOUT_SECONDS = 120;

interface Contestant {
  readonly name: string;
  readonly side: Side;
  readonly apiKey: string;
}

/** Of one turn. Times of the CPU in microseconds a job. */
interface PathResult {
  readonly perSecond: number;
  readonly own: number;
  readonly database: number;
  readonly statements: number;
  readonly commits: number;
}

/** Whole path: submission, submit upstream, callback, poll, stored result. All roles in one process. */
export async function measurePath(world: World, say: (line: string) => void): Promise<void> {
  const { connections, rounds, pathJobs } = world.options;
  say(`the whole path of ${pathJobs} jobs, ${connections} connections at the maximum rate,`);
  say(`${CONCURRENCY} submits and ${CONCURRENCY} polls at a time; one process with all roles`);
  const ends = await world.run(world.nextName('ends'), 'dist/test/bench/path-upstream.js', {});
  const contestants = [await byHand(world, ends.url)];
  for (const [name, folder] of [
    ['gateway', undefined],
    ['gateway beside', world.options.beside],
  ]) {
    if (name === 'gateway' || folder !== undefined)
      contestants.push(await gateway(world, ends.url, name ?? '', folder));
  }
  for (const resultBytes of SIZES) {
    say(`results of ${resultBytes} bytes`);
    const turns = new Map<string, PathResult[]>(contestants.map(({ name }) => [name, []]));
    for (const one of contestants) await turn(world, ends, one, WARM_UP_JOBS, resultBytes);
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? contestants : contestants.toReversed();
      for (const one of order) {
        const result = await turn(world, ends, one, pathJobs, resultBytes);
        turns.get(one.name)?.push(result);
      }
    }
    report(turns, say);
  }
}

function report(turns: ReadonlyMap<string, readonly PathResult[]>, say: (line: string) => void) {
  const line = (...cells: string[]): void =>
    say(`  ${cells.map((cell, n) => (n === 0 ? cell.padEnd(18) : cell.padStart(16))).join('')}`);
  line('', 'jobs/s', 'CPU µs each', 'database µs', 'statements', 'commits');
  for (const [name, all] of turns) {
    const of = (key: keyof PathResult, digits: number): string =>
      median(all.map((one) => one[key])).toFixed(digits);
    const rate = spread(
      all.map(({ perSecond }) => perSecond),
      0,
    );
    line(name, rate, of('own', 0), of('database', 0), of('statements', 2), of('commits', 2));
  }
  const hand = turns.get('by hand') ?? [];
  for (const [name, all] of turns) {
    if (name === 'by hand') continue;
    const ratios = all.map((one, n) => one.perSecond / (hand[n]?.perSecond ?? Number.NaN));
    say(ratioLine(`${name} / by hand`, ratios, 'at least', WANTED));
  }
}

async function byHand(world: World, upstreamUrl: string): Promise<Contestant> {
  const name = world.nextName('path_by_hand');
  const databaseUrl = await world.postgres.create(name);
  await world.postgres.query(databaseUrl, PATH_TABLES);
  const port = String(await freePort());
  const process = await world.run(name, 'dist/test/bench/path-by-hand.js', {
    DATABASE_URL: databaseUrl,
    TOKEN_KEY: world.keys.tokenKey.toString('base64'),
    API_KEY_SHA256: createHash('sha256').update(world.keys.byHandKey).digest('hex'),
    UPSTREAM_URL: upstreamUrl,
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    CONCURRENCY: String(CONCURRENCY),
    PORT: port,
    NODE_ENV: 'production',
  });
  return { name: 'by hand', side: { process, databaseUrl }, apiKey: world.keys.byHandKey };
}

async function gateway(
  world: World,
  upstreamUrl: string,
  name: string,
  folder: string | undefined,
): Promise<Contestant> {
  const port = String(await freePort());
  const side = await world.gateway('api,webhooks,worker', {
    environment: {
      REDUCTO_BASE_URL: upstreamUrl,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      PORT: port,
      SUBMIT_CONCURRENCY: String(CONCURRENCY),
      POLL_CONCURRENCY: String(CONCURRENCY),
      REDUCTO_SUBMITS_PER_SECOND: '100000',
      REDUCTO_POLLS_PER_SECOND: '100000',
    },
    ...(folder === undefined ? {} : { folder }),
  });
  return { name, side, apiKey: await world.keys.createApiKey(side.process.url) };
}

async function turn(
  world: World,
  ends: BenchProcess,
  { side, apiKey }: Contestant,
  jobs: number,
  resultBytes: number,
): Promise<PathResult> {
  const before = await read(world, side);
  const plan: PathPlan = {
    url: `${side.process.url}/v1/jobs`,
    headers: submissionHeaders(apiKey),
    jobs,
    connections: world.options.connections,
    resultBytes,
  };
  const begin = performance.now();
  ends.child.send(plan);
  await untilEnded(world, ends, side, jobs, before.ended);
  const seconds = (performance.now() - begin) / 1000;
  const after = await read(world, side);
  return {
    perSecond: jobs / seconds,
    own: ((after.own - before.own) * 1e6) / jobs,
    database: ((after.database - before.database) * 1e6) / jobs,
    statements: (after.statements - before.statements) / jobs,
    commits: (after.commits - before.commits) / jobs,
  };
}

/** Asks the database only once the upstream has been asked for every result. */
async function untilEnded(
  world: World,
  ends: BenchProcess,
  side: Side,
  jobs: number,
  endedBefore: number,
): Promise<void> {
  const latest = performance.now() + TIMEOUT_SECONDS * 1000;
  let isPolled = false;
  for (;;) {
    if (!isPolled) {
      const said = once(ends.child, 'message');
      ends.child.send('progress');
      const [progress] = (await said) as [PathProgress];
      if (progress.failures.length > 0) {
        throw new Error(`the path failed: ${progress.failures.slice(0, 3).join('; ')}`);
      }
      isPolled = progress.polled >= jobs;
      if (performance.now() > latest)
        throw new Error(`the path stands still: ${JSON.stringify(progress)}`);
    } else if ((await endedIn(world, side)) >= endedBefore + jobs) {
      return;
    }
    await setTimeout(isPolled ? 20 : 50);
  }
}

async function endedIn({ postgres }: World, { databaseUrl }: Side): Promise<number> {
  const [row] = await postgres.query<{ count: number }>(databaseUrl, ENDED);
  return row?.count ?? 0;
}

async function read(world: World, side: Side) {
  const { databaseUrl } = side;
  await world.postgres.query(databaseUrl, 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
  const [row] = await world.postgres.query<{ statements: number; commits: number }>(
    databaseUrl,
    COUNTS,
  );
  return {
    own: cpuSecondsOf(side.process.child.pid) ?? Number.NaN,
    database: world.postgres.cpuSeconds() ?? Number.NaN,
    ended: await endedIn(world, side),
    statements: row?.statements ?? Number.NaN,
    commits: row?.commits ?? Number.NaN,
  };
}

const ENDED = `SELECT count(*)::integer AS count FROM jobs WHERE ended_at IS NOT NULL`;
const COUNTS = `
  SELECT (SELECT sum(calls)::float8 FROM pg_stat_statements
           WHERE dbid = database.oid AND query NOT IN ('BEGIN', 'COMMIT')) AS statements,
         xact_commit::float8 AS commits
    FROM pg_stat_database JOIN pg_database AS database ON database.oid = datid
   WHERE database.datname = current_database()`;
