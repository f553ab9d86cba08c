import { setTimeout } from 'node:timers/promises';

/** When a submit came to the upstream, by `steadyMs`. */
export interface Arrival {
  readonly job?: string;
  readonly at: number;
}

/** Those since the last time that somebody asked. */
export async function takeArrivals(url: string): Promise<Arrival[]> {
  const response = await fetch(`${url}/arrivals`);
  return ((await response.json()) as { arrivals: Arrival[] }).arrivals;
}

/** Waits until `count` have come, asking seldom. */
export async function awaitArrivals(url: string, count: number, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const response = await fetch(`${url}/count`);
    const { count: come } = (await response.json()) as { count: number };
    if (come >= count) return;
    if (performance.now() > end) throw new Error(`only ${come} of ${count} submits have come`);
    await setTimeout(250);
  }
}
