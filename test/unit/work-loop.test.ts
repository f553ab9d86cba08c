import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { pauseAfter, WorkLoop } from '../../src/platform/work/work-loop.js';

/** Blocks the thread. */
function spin(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** A loop that yields between passes, each of which blocks the thread. */
function busyLoop(milliseconds: number, more: (passes: number) => boolean) {
  const begins: number[] = [];
  const pass = (): Promise<boolean> => {
    begins.push(performance.now());
    spin(milliseconds);
    return Promise.resolve(more(begins.length));
  };
  return { begins, loop: new WorkLoop(pass, (error) => expect.fail(String(error)), true) };
}

it.each([
  ['an idle thread', 50, 0.1, 0],
  ['a thread with spare capacity', 50, 0.79, 0],
  ['a busy thread', 50, 0.8, 200],
  ['a busy thread, after a short pass', 2, 1, 8],
  ['a busy thread, after a long pass', 5000, 1, 500],
])('calculates the pause of %s', (_what, milliseconds, utilization, pause) => {
  expect(pauseAfter(milliseconds, utilization)).toBe(pause);
});

it('yields the thread between passes under load, and finishes', async () => {
  const { loop, begins } = busyLoop(20, (passes) => passes < 3);
  loop.wake();
  await expect.poll(() => begins.length).toBe(3);
  const between = begins.slice(1).map((begin, n) => begin - (begins[n] ?? 0));
  // A timer may be a millisecond early.
  for (const milliseconds of between) expect(milliseconds).toBeGreaterThan(20 + 4 * 20 - 2);
  await loop.stop(10_000);
});

it('runs one more pass if it is woken in a pause', async () => {
  const { loop, begins } = busyLoop(20, () => false);
  loop.wake();
  loop.wake();
  loop.wake();
  await expect.poll(() => begins.length).toBe(2);
  await setTimeout(200);
  expect(begins).toHaveLength(2);
  await loop.stop(10_000);
});

it('stops during a pause at once and without a further pass', async () => {
  const { loop, begins } = busyLoop(200, () => true);
  loop.wake();
  await setTimeout(1);
  const pauseEnds = setTimeout(400, 'the pause ends');
  const stopped = loop.stop(10_000).then(() => 'stopped');
  expect(await Promise.race([stopped, pauseEnds])).toBe('stopped');
  loop.wake();
  await setTimeout(600);
  expect(begins).toHaveLength(1);
});
