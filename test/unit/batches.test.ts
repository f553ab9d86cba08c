import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Batches } from '../../src/platform/batches.js';

const LIMITS = { size: 3, waiting: 5, concurrency: 1 };

/** Work that is finished by hand, and remembers its batches. */
function byHand(atATime = 1, gatherMilliseconds = 0) {
  const batches: number[][] = [];
  const finish: ((error?: Error) => void)[] = [];
  const gathered = new Batches<number, string>(
    (items) => {
      batches.push([...items]);
      return new Promise((resolve, reject) =>
        finish.push((error) => (error ? reject(error) : resolve(items.map((item) => `<${item}>`)))),
      );
    },
    { ...LIMITS, concurrency: atATime, gatherMilliseconds },
  );
  return { gathered, batches, finish };
}
/** Long enough for what ends to be noticed, and for the next batch to gather and begin. */
const turn = async (): Promise<void> => {
  await setImmediate();
  await setImmediate();
};

describe('a batch queue', () => {
  it('starts at once and batches the calls that arrive meanwhile', async () => {
    const { gathered, batches, finish } = byHand();
    const first = gathered.addItem(1);
    await turn();
    expect(batches).toEqual([[1]]);
    const later = [2, 3].map((item) => gathered.addItem(item));
    await turn();
    expect(batches).toEqual([[1]]);
    finish[0]?.();
    await turn();
    expect(batches).toEqual([[1], [2, 3]]);
    finish[1]?.();
    expect(await Promise.all([first, ...later])).toEqual(['<1>', '<2>', '<3>']);
  });

  it('batches the calls of one event loop turn', async () => {
    const { gathered, batches } = byHand();
    [1, 2, 3].forEach((item) => void gathered.addItem(item));
    await turn();
    expect(batches).toEqual([[1, 2, 3]]);
  });

  it('runs at most the configured number of concurrent batches', async () => {
    const { gathered, batches } = byHand(2);
    for (const item of [1, 2, 3]) {
      void gathered.addItem(item);
      await turn();
    }
    expect(batches).toEqual([[1], [2]]);
  });

  it('gathers calls after a batch of several, where it is configured to', async () => {
    const { gathered, batches, finish } = byHand(1, 50);
    [1, 2].forEach((item) => void gathered.addItem(item));
    await turn();
    finish[0]?.();
    await turn();
    void gathered.addItem(3);
    await turn();
    void gathered.addItem(4);
    await expect
      .poll(() => batches)
      .toEqual([
        [1, 2],
        [3, 4],
      ]);
  });

  it('limits the size of a batch and completes every call', async () => {
    const { gathered, batches, finish } = byHand();
    const results = [1, 2, 3, 4, 5].map((item) => gathered.addItem(item));
    for (let n = 0; n < 2; n++) {
      await turn();
      finish[n]?.();
    }
    expect(batches).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    expect(await Promise.all(results)).toHaveLength(5);
  });

  it('refuses calls when the queue is full, and accepts later ones', async () => {
    const { gathered, finish } = byHand();
    const taken = [1, 2, 3, 4, 5].map((item) => gathered.addItem(item));
    await expect(gathered.addItem(6)).rejects.toMatchObject({ code: 'unavailable' });
    for (let n = 0; n < 2; n++) {
      await turn();
      finish[n]?.();
    }
    await Promise.all(taken);
    const later = gathered.addItem(7);
    await turn();
    finish[2]?.();
    expect(await later).toBe('<7>');
  });

  it('rejects the calls of a failed batch and continues', async () => {
    const { gathered, finish } = byHand();
    const first = gathered.addItem(1);
    await turn();
    const second = gathered.addItem(2);
    finish[0]?.(new Error('broken'));
    await expect(first).rejects.toThrow('broken');
    await turn();
    finish[1]?.();
    expect(await second).toBe('<2>');
  });

  it('isolates a failing call by retrying the batch one by one', async () => {
    const gathered = new Batches<number, string>(async (items) => {
      await turn();
      if (items.includes(3)) throw new Error('three');
      return items.map((item) => `<${item}>`);
    }, LIMITS);
    const settled = await Promise.allSettled([1, 2, 3, 4].map((item) => gathered.addItem(item)));
    expect(settled.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
  });

  it('does not retry one by one if the database is unavailable', async () => {
    let tries = 0;
    const gathered = new Batches<number, string>(async () => {
      tries += 1;
      await turn();
      throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });
    }, LIMITS);
    await Promise.allSettled([1, 2, 3, 4].map((item) => gathered.addItem(item)));
    expect(tries).toBe(2);
  });
});
