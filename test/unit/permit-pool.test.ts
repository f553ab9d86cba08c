import { describe, expect, it } from 'vitest';
import { PermitPool } from '../../src/reducto/rate-limit/permit-pool.js';

/* The permits that one process has taken; the clock is an argument. */

const block = (at: number, count: number, spacing = 2) => ({ at, count, spacing });

describe('a pool of permits', () => {
  it('spends permits in order, evenly spaced', () => {
    const pool = new PermitPool(500);
    pool.addBlock(block(1000, 3), 1000);
    const times = [1, 2, 3].map(() => pool.claim(1000)?.at);
    expect(times).toEqual([1000, 1002, 1004]);
    expect(pool.claim(1000)).toBeUndefined();
  });

  it('loses permits that nobody claims in time, but for a small reserve', () => {
    const pool = new PermitPool(500);
    pool.addBlock(block(1000, 100), 1000);
    expect(pool.available(1000)).toBe(100);
    expect(pool.available(5000)).toBe(15);
    expect(pool.claim(30_000)).toEqual({ at: 30_000, until: 30_350 });
  });

  it('offers the permits of a burst at once', () => {
    const pool = new PermitPool(500);
    pool.addBlock(block(1000, 60), 1100);
    expect(pool.available(1300)).toBe(60);
    expect(pool.claim(1100)?.at).toBe(1100);
  });

  it('loses the reserve after a minute', () => {
    const pool = new PermitPool(500);
    pool.addBlock(block(1000, 100), 1000);
    expect(pool.available(2000)).toBe(15);
    expect(pool.available(62_001)).toBe(0);
  });

  it('keeps no reserve where one permit would be a large share of a minute', () => {
    const pool = new PermitPool(10);
    pool.addBlock(block(1000, 2, 100), 1000);
    expect(pool.available(2000)).toBe(0);
  });

  it('loses only the permits of a block whose time has passed', () => {
    const pool = new PermitPool(10);
    pool.addBlock(block(1000, 4, 100), 1000);
    expect(pool.available(1301)).toBe(3);
    expect(pool.claim(1301)?.at).toBe(1100);
  });

  it('takes blocks of up to a quarter of a second while all permits are claimed', () => {
    const pool = new PermitPool(500);
    const sizes = [1, 2, 3, 4, 5, 6].map(() => {
      const size = pool.nextBlockSize(0, 1000);
      pool.addBlock(block(1000, size), 1000);
      while (pool.claim(1000) !== undefined);
      return size;
    });
    expect(sizes).toEqual([15, 16, 32, 64, 125, 125]);
  });

  it('takes smaller blocks after permits have expired', () => {
    const pool = new PermitPool(500);
    for (let n = 0; n < 5; n += 1) pool.nextBlockSize(0, 1000);
    pool.addBlock(block(1000, 125), 1000);
    for (let n = 0; n < 20; n += 1) pool.claim(1000);
    expect(pool.nextBlockSize(0, 2000)).toBe(20);
  });

  it('takes what waiting requests need, up to a quarter of a second', () => {
    expect(new PermitPool(500).nextBlockSize(90, 0)).toBe(90);
    expect(new PermitPool(500).nextBlockSize(900, 0)).toBe(125);
    expect(new PermitPool(1).nextBlockSize(5, 0)).toBe(1);
  });

  it('offers a permit again that was given back', () => {
    const pool = new PermitPool(500);
    pool.addBlock(block(1000, 1), 1000);
    const held = pool.claim(1000);
    if (held !== undefined) pool.giveBack(held);
    expect(pool.claim(1000)).toEqual(held);
  });

  it('gives back the permits at the end of its latest block', () => {
    const pool = new PermitPool(10);
    pool.addBlock({ ...block(1000, 4, 100), end: 'e' }, 1000);
    expect(pool.removeLast(2, 1000)).toEqual({ count: 2, end: 'e' });
    expect([1, 2].map(() => pool.claim(1000)?.at)).toEqual([1000, 1100]);
    expect(pool.claim(1000)).toBeUndefined();
  });

  it('gives back no permits of earlier blocks, after which others have taken theirs', () => {
    const pool = new PermitPool(10);
    pool.addBlock({ ...block(1000, 2, 100), end: 'first' }, 1000);
    pool.addBlock({ ...block(1400, 2, 100), end: 'second' }, 1000);
    expect(pool.removeLast(4, 1000)).toEqual({ count: 2, end: 'second' });
    expect(pool.claim(1000)?.at).toBe(1000);
  });

  it('gives back no permit that was claimed and returned to it', () => {
    const pool = new PermitPool(10);
    pool.addBlock({ ...block(1000, 2, 100), end: 'e' }, 1000);
    const held = pool.claim(1000);
    pool.claim(1000);
    if (held !== undefined) pool.giveBack(held);
    expect(pool.removeLast(1, 1000)).toBeUndefined();
  });

  it('gives back permits of one block only once', () => {
    const pool = new PermitPool(10);
    pool.addBlock({ ...block(1000, 4, 100), end: 'e' }, 1000);
    pool.removeLast(1, 1000);
    expect(pool.removeLast(1, 1000)).toBeUndefined();
  });
});
