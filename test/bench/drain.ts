import { once } from 'node:events';
import { awaitUpstreamJobs, sandboxOf, upstreamArrivals } from './bench-sandbox.js';
import type { BenchProcess } from './bench-process.js';
import { ratioLine } from './turns.js';
import { cpuSecondsOf } from './cpu-time.js';
import { median, spread } from './statistics.js';
import { submissionHeaders } from './submissions.js';
import type { World } from './world.js';

/** The default of the gateway's `SUBMIT_CONCURRENCY`. */
const CONCURRENCY = 8;
const WANTED = 0.9;
const ROUNDS = 3;
const TIMEOUT_SECONDS = 600;

/** The first submits are the compiler's and the first connections': on both sides they are left out. */
const LEFT_OUT = 0.1;

/** No file needs to be there for it. */
const INPUT = 'https://example.com/a.pdf';
/** Jobs stay in the queue: neither side is to compete with what follows from a submit. */
const PLATFORM = { queueMs: 86_400_000 };

/** A backlog that a worker submits, against the official SDK in a plain loop. */
export async function measureDrain(world: World, say: (line: string) => void): Promise<void> {
  const { backlog, rounds } = world.options;
  say(`a backlog of ${backlog} jobs into the sandbox, ${CONCURRENCY} submits at a time;`);
  say('the gateway has ROLES=worker, and no poll happens meanwhile');
  const api = await world.gateway('api');
  const apiKey = await world.keys.createApiKey(api.process.url);
  const loop: number[] = [];
  const gateway: number[] = [];
  const cpu: [own: number, database: number][] = [];
  for (let round = 0; round < Math.min(rounds, ROUNDS); round++) {
    const forLoop = await sandboxOf(world, PLATFORM);
    await plainLoop(world, forLoop);
    loop.push(rateOf(await upstreamArrivals(forLoop.url)));
    await forLoop.stop();
    await fill(world, api.process, apiKey);
    const upstream = await sandboxOf(world, PLATFORM);
    const worker = await world.gateway('worker', {
      environment: {
        REDUCTO_BASE_URL: upstream.url,
        SUBMIT_CONCURRENCY: String(CONCURRENCY),
        REDUCTO_SUBMITS_PER_SECOND: '100000',
        POLL_SCHEDULE_SECONDS: '3600',
      },
      databaseUrl: api.databaseUrl,
    });
    const come = await awaitUpstreamJobs(upstream.url, backlog * LEFT_OUT);
    const used = cpuOf(world, worker.process);
    await awaitUpstreamJobs(upstream.url, backlog);
    const [own, database] = cpuOf(world, worker.process).map((now, n) => now - (used[n] ?? 0));
    cpu.push([((own ?? 0) * 1e6) / (backlog - come), ((database ?? 0) * 1e6) / (backlog - come)]);
    await worker.process.stop();
    gateway.push(rateOf(await upstreamArrivals(upstream.url)));
    await upstream.stop();
  }
  say(`  plain loop of the SDK  ${spread(loop, 0)} submits/s`);
  say(`  gateway                ${spread(gateway, 0)} submits/s`);
  const micros = (which: 0 | 1): string => median(cpu.map((round) => round[which])).toFixed(0);
  say(`  CPU of the gateway ${micros(0)} µs a job, of the database ${micros(1)} µs`);
  const ratios = gateway.map((rate, round) => rate / (loop[round] ?? Number.NaN));
  say(ratioLine('gateway / plain loop', ratios, 'at least', WANTED));
}

function cpuOf({ postgres }: World, { child }: BenchProcess): number[] {
  return [cpuSecondsOf(child.pid) ?? Number.NaN, postgres.cpuSeconds() ?? Number.NaN];
}

async function plainLoop(world: World, upstream: BenchProcess): Promise<void> {
  const { backlog } = world.options;
  const args = [upstream.url, String(backlog), String(CONCURRENCY), INPUT];
  const { child } = await world.run(
    world.nextName('sdk'),
    'dist/test/bench/sdk-loop.js',
    {},
    { args },
  );
  if (child.exitCode === null) await once(child, 'exit');
}

/** Through the API, so that the rows are those of production. */
async function fill(world: World, api: BenchProcess, apiKey: string): Promise<void> {
  await world.load.run({
    url: `${api.url}/v1/jobs`,
    headers: submissionHeaders(apiKey),
    bodies: Array.from({ length: world.options.backlog }, () =>
      JSON.stringify({ type: 'parse', input: INPUT, metadata: { invoice: 4711 } }),
    ),
    again: false,
    expected: 202,
    connections: 32,
    seconds: TIMEOUT_SECONDS,
  });
}

function rateOf(all: readonly number[]): number {
  const moments = all.slice(Math.floor(all.length * LEFT_OUT));
  const [first = Number.NaN] = moments;
  const last = moments.at(-1) ?? Number.NaN;
  return ((moments.length - 1) * 1000) / (last - first);
}
