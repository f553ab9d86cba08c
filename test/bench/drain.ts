import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
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
    const forLoop = await sandbox(world);
    await plainLoop(world, forLoop);
    loop.push(rateOf(await arrivals(forLoop.url)));
    await forLoop.stop();
    await fill(world, api.process, apiKey);
    const upstream = await sandbox(world);
    const worker = await world.gateway('worker', {
      environment: {
        REDUCTO_BASE_URL: upstream.url,
        SUBMIT_CONCURRENCY: String(CONCURRENCY),
        POLL_SCHEDULE_SECONDS: '3600',
      },
      databaseUrl: api.databaseUrl,
    });
    const come = await awaitJobs(upstream.url, backlog * LEFT_OUT);
    const used = cpuOf(world, worker.process);
    await awaitJobs(upstream.url, backlog);
    const [own, database] = cpuOf(world, worker.process).map((now, n) => now - (used[n] ?? 0));
    cpu.push([((own ?? 0) * 1e6) / (backlog - come), ((database ?? 0) * 1e6) / (backlog - come)]);
    await worker.process.stop();
    gateway.push(rateOf(await arrivals(upstream.url)));
    await upstream.stop();
  }
  say(`  plain loop of the SDK  ${spread(loop, 0)} submits/s`);
  say(`  gateway                ${spread(gateway, 0)} submits/s`);
  const micros = (which: 0 | 1): string => median(cpu.map((round) => round[which])).toFixed(0);
  say(`  CPU of the gateway ${micros(0)} µs a job, of the database ${micros(1)} µs`);
  const ratios = gateway.map((rate, round) => rate / (loop[round] ?? Number.NaN));
  say(ratioLine('gateway / plain loop', ratios, 'at least', WANTED));
}

function sandbox(world: World): Promise<BenchProcess> {
  return world.run(world.nextName('sandbox'), 'dist/src/sandbox/main.js', {
    SANDBOX_PORT: '0',
    SANDBOX_PLATFORM: JSON.stringify(PLATFORM),
  });
}

/** When jobs came to the sandbox, in epoch milliseconds. */
async function arrivals(sandboxUrl: string): Promise<number[]> {
  const response = await fetch(`${sandboxUrl}/control/jobs`);
  const jobs = (await response.json()) as { createdAt: number }[];
  return jobs.map(({ createdAt }) => createdAt).toSorted((a, b) => a - b);
}

function cpuOf({ postgres }: World, { child }: BenchProcess): number[] {
  return [cpuSecondsOf(child.pid) ?? Number.NaN, postgres.cpuSeconds() ?? Number.NaN];
}

/** Waits until the jobs have arrived, and returns how many. */
async function awaitJobs(sandboxUrl: string, count: number): Promise<number> {
  const end = performance.now() + TIMEOUT_SECONDS * 1000;
  for (;;) {
    const response = await fetch(`${sandboxUrl}/control/state`);
    const { jobs } = (await response.json()) as { jobs: number };
    if (jobs >= count) return jobs;
    if (performance.now() > end) throw new Error(`only ${jobs} of ${count} submits have come`);
    await setTimeout(250);
  }
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
