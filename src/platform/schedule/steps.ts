import { setTimeout } from 'node:timers/promises';

/** Between two steps, also where a step took no time at all. */
const MIN_PAUSE_MILLISECONDS = 20;

/**
 * Does a long piece of work in small steps: `step` does up to `size` of it and says how much that was, and less
 * than `size` means that nothing is left. Between two steps it pauses for as long as the step took, so that
 * other users of the database find it idle half of the time. Returns the sum; ends early, between two
 * steps, once `signal` aborts.
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
