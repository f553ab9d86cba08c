import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../../src/sandbox/clock.js';

function frozenClock(): VirtualClock {
  const clock = new VirtualClock(0);
  onTestFinished(() => clock.clear());
  return clock;
}

test('runs due tasks in order and at their due times, including those scheduled meanwhile', async () => {
  const clock = frozenClock();
  const start = clock.now();
  const seen: [string, number][] = [];
  const note = (name: string): void => void seen.push([name, clock.now() - start]);
  clock.after(300, () => note('late'));
  clock.after(100, () => {
    note('early');
    clock.after(50, () => note('planned on the way'));
  });
  clock.after(900, () => note('not yet'));
  await clock.advance(500);
  expect(seen).toEqual([
    ['early', 100],
    ['planned on the way', 150],
    ['late', 300],
  ]);
  expect(clock.now() - start).toBe(500);
});

test('waits for a task that takes real time before it continues', async () => {
  const clock = frozenClock();
  const order: string[] = [];
  clock.after(1, async () => {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    order.push('slow task');
  });
  clock.after(2, () => void order.push('next task'));
  await clock.advance(10);
  expect(order).toEqual(['slow task', 'next task']);
});

test('two concurrent advances add up', async () => {
  const clock = frozenClock();
  const start = clock.now();
  await Promise.all([clock.advance(100), clock.advance(200)]);
  expect(clock.now() - start).toBe(300);
});

test('does not run a cancelled task, and runs a task without delay on a stopped clock', async () => {
  const clock = frozenClock();
  const seen: string[] = [];
  clock.after(10, () => void seen.push('cancelled')).cancel();
  await new Promise<void>((resolve) => {
    clock.after(0, resolve);
  });
  await clock.advance(100);
  expect(seen).toEqual([]);
});

test('passes an hour in a moment at high speed', async () => {
  const clock = new VirtualClock(1_000_000);
  onTestFinished(() => clock.clear());
  const start = clock.now();
  await clock.sleep(3_600_000);
  expect(clock.now() - start).toBeGreaterThanOrEqual(3_600_000);
});
