import { execFile } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { takesCallbacks } from './callbacks.js';
import { spread } from './statistics.js';
import type { World } from './world.js';

const run = promisify(execFile);

const MAXIMUM_SECONDS = 8;
/** What comes in one piece; its jobs are made before it begins. */
const PIECE_SECONDS = 20;
const SAMPLE_MS = 1000;

/** The memory of the gateway under half of what it can take. */
export async function measureSoak(world: World, say: (line: string) => void): Promise<void> {
  const { connections, soakMinutes } = world.options;
  const side = await world.gateway('webhooks');
  const flatOut = takesCallbacks(world, 'gateway', 'gateway', side, { connections });
  const start = await megabytes(side.process.child.pid);
  await (
    await flatOut.ready(MAXIMUM_SECONDS)
  )();
  const { perSecond: maximum } = await (await flatOut.ready(MAXIMUM_SECONDS))();
  const perSecond = Math.round(maximum / 2);
  say(`${soakMinutes} minutes at ${perSecond} callbacks/s, half of the maximum; ROLES=webhooks`);
  const steady = takesCallbacks(world, 'gateway', 'gateway', side, { connections, perSecond });
  const samples: number[] = [];
  const over = new AbortController();
  const watching = watch(side.process.child.pid, samples, over.signal);
  const p99: number[] = [];
  const end = performance.now() + soakMinutes * 60_000;
  while (performance.now() < end) {
    const left = (end - performance.now()) / 1000;
    const run = await steady.ready(Math.min(left, PIECE_SECONDS));
    p99.push((await run()).p99Ms);
  }
  over.abort();
  await watching;
  say(`  p99 of the pieces: ${spread(p99, 1)} ms`);
  say(`  resident memory in MB: before any callback ${start.toFixed(0)}`);
  say(`    under the load, by tenths of the time: ${tenthsOf(samples).join(', ')}`);
  say(`    at its peak ${Math.max(...samples).toFixed(0)}`);
}

/** The mean of each tenth: a continued rise shows in their differences. */
function tenthsOf(samples: readonly number[]): string[] {
  return Array.from({ length: 10 }, (_, n) => {
    const part = samples.slice((samples.length * n) / 10, (samples.length * (n + 1)) / 10);
    return (part.reduce((sum, value) => sum + value, 0) / part.length).toFixed(0);
  });
}

async function watch(
  pid: number | undefined,
  samples: number[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    samples.push(await megabytes(pid));
    await setTimeout(SAMPLE_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function megabytes(pid: number | undefined): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout) / 1024;
}
