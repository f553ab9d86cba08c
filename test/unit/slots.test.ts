import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Slots } from '../../src/platform/work/slots.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

const SLOTS = 8;
const newLimiter = () => new Slots(SLOTS);
const sleep = (milliseconds: number) =>
  new Promise<void>((resolve) => void setTimeout(resolve, milliseconds));

/** A limiter whose requests have taken `milliseconds` each. */
async function limiterUsedTo(milliseconds: number): Promise<Slots> {
  const limiter = newLimiter();
  const requests = Array.from({ length: 200 }, () => limiter.withSlot(() => sleep(milliseconds)));
  await vi.advanceTimersByTimeAsync((milliseconds * 200) / SLOTS + 1);
  await Promise.all(requests);
  return limiter;
}

describe('slots', () => {
  it('limits concurrent requests to the setting and serves waiting ones in order', async () => {
    const limiter = newLimiter();
    let [running, most, done] = [0, 0, 0];
    const all = Array.from({ length: 30 }, () =>
      limiter.withSlot(async () => {
        running += 1;
        most = Math.max(most, running);
        await sleep(10);
        running -= 1;
        done += 1;
      }),
    );
    await vi.advanceTimersByTimeAsync(15);
    expect(done).toBe(SLOTS);
    expect(running).toBe(SLOTS);
    // Twenty may begin ahead, and 22 run or wait.
    expect(limiter.free).toBe(SLOTS + 20 - 22);
    await vi.advanceTimersByTimeAsync(100);
    await Promise.all(all);
    expect(most).toBe(SLOTS);
    expect(limiter.free).toBeGreaterThanOrEqual(SLOTS);
  });

  it('begins no attempt early before the first latency is measured', () => {
    expect(newLimiter()).toMatchObject({ free: SLOTS, minBatch: 1 });
  });

  it.each([
    [1, 4 * SLOTS],
    [10, 20],
    [25, SLOTS],
    [100, 2],
    [250, 0],
    [5000, 0],
  ])('after requests of %i ms, let %i begin ahead', async (milliseconds, ahead) => {
    const limiter = await limiterUsedTo(milliseconds);
    expect(limiter.free).toBe(SLOTS + ahead);
    expect(limiter.minBatch).toBe(Math.max(1, Math.floor(ahead / 2)));
  });

  it('adapts to a slower Reducto within a few dozen requests', async () => {
    const limiter = await limiterUsedTo(1);
    const slow = Array.from({ length: 40 }, () => limiter.withSlot(() => sleep(500)));
    await vi.advanceTimersByTimeAsync(3000);
    await Promise.all(slow);
    expect(limiter.free).toBe(SLOTS);
  });

  it('notifies of a free slot, also after a failed request', async () => {
    const limiter = newLimiter();
    const free: number[] = [];
    limiter.onFree(() => free.push(limiter.free));
    await expect(limiter.withSlot(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(free).toHaveLength(1);
    expect(free[0]).toBeGreaterThanOrEqual(SLOTS);
  });
});
