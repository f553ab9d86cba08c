import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { pauseAfter, WorkLoop } from '../../src/platform/work/work-loop.js';

interface Pause {
  readonly milliseconds: number;
  readonly end: () => void;
}

/** The pauses of the loop, in order. Each lasts until it is ended here or aborted. */
const pauses: Pause[] = [];

vi.mock('node:timers/promises', () => ({
  setTimeout: (milliseconds: number, _value: unknown, { signal }: { signal: AbortSignal }) =>
    new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', reject);
      pauses.push({ milliseconds, end: resolve });
    }),
}));

let utilization = 1;

beforeEach(() => {
  pauses.splice(0);
  utilization = 1;
  vi.spyOn(performance, 'eventLoopUtilization').mockImplementation(() => ({
    idle: 0,
    active: 0,
    utilization,
  }));
});
afterEach(() => void vi.restoreAllMocks());

/** Not reached: timers fire only where a test ends them, so a stop that waits for a pause hangs. */
const STOP_MILLISECONDS = 10_000;

/** Blocks the thread. */
function spin(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** A loop that yields between passes, each of which blocks the thread. */
function busyLoop(milliseconds: number, more: (passes: number) => boolean) {
  let passes = 0;
  const pass = (): Promise<boolean> => {
    passes += 1;
    spin(milliseconds);
    return Promise.resolve(more(passes));
  };
  return {
    loop: new WorkLoop(pass, (error) => expect.fail(String(error)), true),
    passes: () => passes,
  };
}

/** Resolves when everything has run that does not wait for a pause. */
const idle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function endSlice(): Promise<void> {
  pauses.at(-1)?.end();
  await idle();
}

/** A pause is several slices while the thread is busy. Returns how long they last. */
async function endPause(): Promise<number> {
  let total = 0;
  for (let seen = 0; seen < pauses.length;) {
    seen = pauses.length;
    total += pauses.at(-1)?.milliseconds ?? 0;
    await endSlice();
  }
  return total;
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

it('pauses after each pass under load, four times as long as the pass', async () => {
  const { loop, passes } = busyLoop(20, (count) => count < 3);
  loop.wake();
  await idle();
  expect(passes()).toBe(1);
  expect(await endPause()).toBeGreaterThanOrEqual(3 * 4 * 20);
  expect(passes()).toBe(3);
});

it('ends a pause early when the thread is not busy any more', async () => {
  const { loop, passes } = busyLoop(20, (count) => count < 2);
  loop.wake();
  await idle();
  utilization = 0.5;
  await endSlice();
  expect([passes(), pauses.length]).toEqual([2, 1]);
});

it('runs one more pass after a pause in which it was woken several times', async () => {
  const { loop, passes } = busyLoop(20, () => false);
  loop.wake();
  await idle();
  loop.wake();
  loop.wake();
  await endPause();
  expect(passes()).toBe(2);
  await endPause();
  expect(passes()).toBe(2);
});

it('runs no further pass after a pause in which it was not woken', async () => {
  const { loop, passes } = busyLoop(20, () => false);
  loop.wake();
  await idle();
  await endPause();
  expect(passes()).toBe(1);
});

it('stops during a pause without waiting for its end', async () => {
  const { loop } = busyLoop(20, () => true);
  loop.wake();
  await idle();
  await expect(loop.stop(STOP_MILLISECONDS)).resolves.toBeUndefined();
});

it('runs no pass after it was stopped', async () => {
  const { loop, passes } = busyLoop(20, () => true);
  loop.wake();
  await idle();
  await loop.stop(STOP_MILLISECONDS);
  loop.wake();
  await idle();
  expect(passes()).toBe(1);
});

it('runs another pass if it was woken during one that failed', async () => {
  let passes = 0;
  const errors: unknown[] = [];
  const failed = new Error('no database');
  const loop = new WorkLoop(
    async () => {
      passes += 1;
      if (passes > 1) return false;
      await Promise.resolve();
      loop.wake();
      throw failed;
    },
    (error) => void errors.push(error),
  );
  loop.wake();
  await idle();
  expect([passes, errors]).toEqual([2, [failed]]);
});
