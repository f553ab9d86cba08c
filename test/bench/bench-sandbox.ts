import { setTimeout } from 'node:timers/promises';
import type { BenchProcess } from './bench-process.js';
import type { World } from './world.js';

const TIMEOUT_SECONDS = 600;

/** The sandbox as a process of its own, with these platform switches. */
export function sandboxOf(world: World, platform: object): Promise<BenchProcess> {
  return world.run(world.nextName('sandbox'), 'dist/src/sandbox/main.js', {
    SANDBOX_PORT: '0',
    SANDBOX_PLATFORM: JSON.stringify(platform),
  });
}

/** When jobs came to the sandbox, in epoch milliseconds. */
export async function upstreamArrivals(sandboxUrl: string): Promise<number[]> {
  const response = await fetch(`${sandboxUrl}/control/jobs`);
  const jobs = (await response.json()) as { createdAt: number }[];
  return jobs.map(({ createdAt }) => createdAt).toSorted((a, b) => a - b);
}

/** Waits until the jobs have arrived, and returns how many. */
export async function awaitUpstreamJobs(sandboxUrl: string, count: number): Promise<number> {
  const end = performance.now() + TIMEOUT_SECONDS * 1000;
  for (;;) {
    const response = await fetch(`${sandboxUrl}/control/state`);
    const { jobs } = (await response.json()) as { jobs: number };
    if (jobs >= count) return jobs;
    if (performance.now() > end) throw new Error(`only ${jobs} of ${count} submits have come`);
    await setTimeout(250);
  }
}
