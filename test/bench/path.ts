import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { freePort } from '../../src/dev/free-port.js';
import type { BenchProcess } from './bench-process.js';
import { costOf, costTable, type Cost } from './cost.js';
import { PATH_TABLES } from './path-tables.js';
import type { PathPlan, PathProgress } from './path-plan.js';
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
    const turns = new Map<string, Cost[]>(contestants.map(({ name }) => [name, []]));
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

function report(turns: ReadonlyMap<string, readonly Cost[]>, say: (line: string) => void): void {
  for (const line of costTable(turns, 'jobs')) say(line);
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
): Promise<Cost> {
  const endedBefore = await endedIn(world, side);
  const plan: PathPlan = {
    url: `${side.process.url}/v1/jobs`,
    headers: submissionHeaders(apiKey),
    jobs,
    connections: world.options.connections,
    resultBytes,
  };
  return costOf(world, side, jobs, async () => {
    ends.child.send(plan);
    await untilEnded(world, ends, side, jobs, endedBefore);
  });
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

const ENDED = `SELECT count(*)::integer AS count FROM jobs WHERE ended_at IS NOT NULL`;
