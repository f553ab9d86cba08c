import { beforeEach, describe, expect, it } from 'vitest';
import { ScanChoice } from '../../src/jobs/leases/scan-choice.js';

/* Which scan a lease uses, by what both have cost. The times are those of `performance.now()`. */

describe('a lease', () => {
  let choice: ScanChoice;
  let now: number;
  beforeEach(() => {
    choice = new ScanChoice();
    now = performance.now();
  });

  /** Makes `count` leases, which take `live` or `bounded` ms, with `pause` ms in between. Returns how many were bounded. */
  function lease(count: number, live: number, bounded: number, pause = 5): number {
    let found = 0;
    for (let n = 0; n < count; n++) {
      const { scan } = choice.next(now);
      const end = now + (scan === 'live' ? live : bounded);
      choice.record(scan, now, end);
      if (scan === 'bounded') found += 1;
      now = end + pause;
    }
    return found;
  }

  it('uses the live scan first', () => {
    expect(choice.next(now)).toEqual({ scan: 'live', isTrial: false });
  });

  it('uses the live scan while it costs the same, and tries the other once a second', () => {
    expect(lease(1000, 1, 1)).toBeLessThanOrEqual(6);
  });

  it('uses the bounded scan once the live scan costs more', () => {
    lease(300, 1, 1);
    lease(300, 20, 1);
    const live = 1000 - lease(1000, 20, 1);
    expect(live).toBeLessThanOrEqual(10);
    expect(live).toBeGreaterThan(0);
  });

  it('returns to the live scan once it is cheap again', () => {
    lease(600, 20, 1);
    lease(1000, 1, 1);
    expect(lease(100, 1, 1)).toBeLessThanOrEqual(2);
  });

  it('keeps the live scan through single slow leases', () => {
    lease(300, 1, 1);
    for (let n = 0; n < 10; n++) {
      lease(15, 20, 1);
      lease(1, 1, 1);
    }
    expect(choice.next(now).scan).toBe('live');
  });
});
