import { once } from 'node:events';
import { awaitArrivals, takeArrivals, type Arrival } from './arrivals.js';
import type { BenchProcess } from './bench-process.js';
import { ratioLine } from './turns.js';
import { spread } from './statistics.js';
import { SUBMISSION, submissionHeaders } from './submissions.js';
import type { World } from './world.js';

/** The default of the gateway's `SUBMIT_CONCURRENCY`. */
const CONCURRENCY = 8;
const WANTED = 0.9;
const ROUNDS = 3;
const PATIENCE_SECONDS = 600;

/** The first submits are the compiler's and the first connections': on both sides they are left out. */
const LEFT_OUT = 0.1;

/** A backlog that a worker submits, against the official SDK in a plain loop. */
export async function measureDrain(world: World, say: (line: string) => void): Promise<void> {
  const { backlog, upstreamMs, rounds } = world.options;
  say(
    `a backlog of ${backlog} jobs, ${CONCURRENCY} submits at a time, upstream answers after ${upstreamMs} ms;`,
  );
  say('the gateway has ROLES=worker, and no look falls into the time');
  const environment = { UPSTREAM_MS: String(upstreamMs) };
  const upstream = await world.run('upstream', 'dist/test/bench/upstream.js', environment);
  const api = await world.gateway('api');
  const apiKey = await world.keys.createApiKey(api.process.url);
  const loop: number[] = [];
  const gateway: number[] = [];
  for (let round = 0; round < Math.min(rounds, ROUNDS); round++) {
    loop.push(await plainLoop(world, upstream));
    await fill(world, api.process, apiKey);
    const worker = await world.gateway('worker', {
      environment: {
        REDUCTO_BASE_URL: upstream.url,
        SUBMIT_CONCURRENCY: String(CONCURRENCY),
        LOOK_SCHEDULE_SECONDS: '3600',
      },
      databaseUrl: api.databaseUrl,
    });
    await awaitArrivals(upstream.url, backlog, PATIENCE_SECONDS);
    await worker.process.stop();
    gateway.push(rateOf(await takeArrivals(upstream.url)));
  }
  say(`  plain loop of the SDK  ${spread(loop, 0)} submits/s`);
  say(`  gateway                ${spread(gateway, 0)} submits/s`);
  const ratios = gateway.map((rate, round) => rate / (loop[round] ?? Number.NaN));
  say(ratioLine('gateway / plain loop', ratios, 'at least', WANTED));
}

async function plainLoop(world: World, upstream: BenchProcess): Promise<number> {
  const { backlog } = world.options;
  const args = [upstream.url, String(backlog), String(CONCURRENCY)];
  const { child } = await world.run(
    world.nextName('sdk'),
    'dist/test/bench/sdk-loop.js',
    {},
    { args },
  );
  if (child.exitCode === null) await once(child, 'exit');
  return rateOf(await takeArrivals(upstream.url));
}

/** Through the API, so that rows and tasks are what they are. */
async function fill(world: World, api: BenchProcess, apiKey: string): Promise<void> {
  await world.load.run({
    url: `${api.url}/v1/jobs`,
    headers: submissionHeaders(apiKey),
    bodies: Array.from({ length: world.options.backlog }, () => SUBMISSION),
    again: false,
    expected: 202,
    connections: 32,
    seconds: PATIENCE_SECONDS,
  });
}

function rateOf(arrivals: readonly Arrival[]): number {
  const moments = arrivals.map(({ at }) => at).slice(Math.floor(arrivals.length * LEFT_OUT));
  const [first = Number.NaN] = moments;
  const last = moments.at(-1) ?? Number.NaN;
  return ((moments.length - 1) * 1000) / (last - first);
}
