import { describe, expect, it } from 'vitest';
import { Batches } from '../../src/platform/batches.js';

const LIMITS = { size: 3, waiting: 5 };

/** Work that is finished by hand, and remembers its batches. */
function byHand() {
  const batches: number[][] = [];
  const finish: ((error?: Error) => void)[] = [];
  const gathered = new Batches<number, string>((items) => {
    batches.push([...items]);
    return new Promise((resolve, reject) =>
      finish.push((error) => (error ? reject(error) : resolve(items.map((item) => `<${item}>`)))),
    );
  }, LIMITS);
  return { gathered, batches, finish };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('gathering', () => {
  it('begins at once with the first, and takes those that come meanwhile together', async () => {
    const { gathered, batches, finish } = byHand();
    const results = [1, 2, 3].map((item) => gathered.add(item));
    expect(batches).toEqual([[1]]);
    finish[0]?.();
    await turn();
    expect(batches).toEqual([[1], [2, 3]]);
    finish[1]?.();
    expect(await Promise.all(results)).toEqual(['<1>', '<2>', '<3>']);
  });

  it('makes no batch larger than allowed, and leaves nobody behind', async () => {
    const { gathered, batches, finish } = byHand();
    const results = [1, 2, 3, 4, 5, 6].map((item) => gathered.add(item));
    for (let n = 0; n < 3; n++) {
      finish[n]?.();
      await turn();
    }
    expect(batches).toEqual([[1], [2, 3, 4], [5, 6]]);
    expect(await Promise.all(results)).toHaveLength(6);
  });

  it('sends callers away when too many wait, and takes new ones later', async () => {
    const { gathered, finish } = byHand();
    const taken = [1, 2, 3, 4, 5, 6].map((item) => gathered.add(item));
    await expect(gathered.add(7)).rejects.toMatchObject({ code: 'unavailable' });
    for (let n = 0; n < 3; n++) {
      finish[n]?.();
      await turn();
    }
    await Promise.all(taken);
    const later = gathered.add(8);
    finish[3]?.();
    expect(await later).toBe('<8>');
  });

  it('tells those whose work failed, and goes on', async () => {
    const { gathered, finish } = byHand();
    const first = gathered.add(1);
    const second = gathered.add(2);
    finish[0]?.(new Error('broken'));
    await expect(first).rejects.toThrow('broken');
    await turn();
    finish[1]?.();
    expect(await second).toBe('<2>');
  });

  it('does not let one that cannot be done spoil it for the others', async () => {
    const gathered = new Batches<number, string>(async (items) => {
      await turn();
      if (items.includes(3)) throw new Error('three');
      return items.map((item) => `<${item}>`);
    }, LIMITS);
    const settled = await Promise.allSettled([1, 2, 3, 4].map((item) => gathered.add(item)));
    expect(settled.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
  });

  it('does not try one by one where the database is away', async () => {
    let tries = 0;
    const gathered = new Batches<number, string>(async () => {
      tries += 1;
      await turn();
      throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });
    }, LIMITS);
    await Promise.allSettled([1, 2, 3, 4].map((item) => gathered.add(item)));
    expect(tries).toBe(2);
  });
});
