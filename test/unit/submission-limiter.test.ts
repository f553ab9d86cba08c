import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SubmissionLimiter } from '../../src/jobs/submission/submission-limiter.js';
import { Settings } from '../../src/platform/config/settings.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

const PLACES = 8;
const newPlaces = () =>
  new SubmissionLimiter(Settings.load({ SUBMIT_CONCURRENCY: String(PLACES) }));
const sleep = (milliseconds: number) =>
  new Promise<void>((resolve) => void setTimeout(resolve, milliseconds));

/** Places in which requests have been taking so long. */
async function usedTo(milliseconds: number): Promise<SubmissionLimiter> {
  const places = newPlaces();
  const requests = Array.from({ length: 200 }, () => places.withSlot(() => sleep(milliseconds)));
  await vi.advanceTimersByTimeAsync((milliseconds * 200) / PLACES + 1);
  await Promise.all(requests);
  return places;
}

describe('slots for submits', () => {
  it('limits concurrent requests to the setting and serves waiting ones in order', async () => {
    const places = newPlaces();
    let [inside, most, done] = [0, 0, 0];
    const all = Array.from({ length: 30 }, () =>
      places.withSlot(async () => {
        inside += 1;
        most = Math.max(most, inside);
        await sleep(10);
        inside -= 1;
        done += 1;
      }),
    );
    await vi.advanceTimersByTimeAsync(15);
    expect(done).toBe(PLACES);
    expect(inside).toBe(PLACES);
    // Eight may begin ahead, and 22 are inside.
    expect(places.freeSlots).toBe(PLACES + 8 - 22);
    await vi.advanceTimersByTimeAsync(100);
    await Promise.all(all);
    expect(most).toBe(PLACES);
    expect(places.freeSlots).toBeGreaterThanOrEqual(PLACES);
  });

  it('begins no attempt early before the first latency is measured', () => {
    expect(newPlaces()).toMatchObject({ freeSlots: PLACES, minBatch: 1 });
  });

  it.each([
    [1, 2 * PLACES],
    [10, PLACES],
    [40, 2],
    [100, 0],
    [5000, 0],
  ])('used to requests of %i ms, have %i begin ahead', async (milliseconds, ahead) => {
    const places = await usedTo(milliseconds);
    expect(places.freeSlots).toBe(PLACES + ahead);
    expect(places.minBatch).toBe(Math.max(1, Math.floor(ahead / 2)));
  });

  it('adapts to a slower Reducto within a few dozen requests', async () => {
    const places = await usedTo(1);
    const slow = Array.from({ length: 40 }, () => places.withSlot(() => sleep(500)));
    await vi.advanceTimersByTimeAsync(3000);
    await Promise.all(slow);
    expect(places.freeSlots).toBe(PLACES);
  });

  it('notifies of a free slot, also after a failed request', async () => {
    const places = newPlaces();
    const free: number[] = [];
    places.onSlotFree(() => free.push(places.freeSlots));
    await expect(places.withSlot(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(free).toHaveLength(1);
    expect(free[0]).toBeGreaterThanOrEqual(PLACES);
  });
});
