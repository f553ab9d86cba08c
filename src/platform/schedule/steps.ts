import { setTimeout } from 'node:timers/promises';

/** Minimum pause between two steps. */
const MIN_PAUSE_MILLISECONDS = 20;

/**
 * Runs long work in small steps: `step` processes up to `size` items and returns their number; fewer than `size` end the
 * work. Pauses between steps for as long as a step took, which leaves half of the database's time to others. Returns the
 * sum. Stops between steps if `signal` aborts.
 */
export async function inSteps(
  size: number,
  signal: AbortSignal,
  step: () => Promise<number>,
): Promise<number> {
  let total = 0;
  for (;;) {
    if (signal.aborted) return total;
    const begin = performance.now();
    const done = await step();
    total += done;
    if (done < size) return total;
    const pause = Math.max(performance.now() - begin, MIN_PAUSE_MILLISECONDS);
    await setTimeout(pause, undefined, { signal }).catch(() => undefined);
  }
}
