import { expect, it } from 'vitest';
import type { Held, LeasedWork } from '../../src/platform/work/due-work.js';
import { LeasedWorker } from '../../src/platform/work/leased-worker.js';
import type { WorkMetrics } from '../../src/platform/work/work.metrics.js';
import type { WorkerLock } from '../../src/platform/work/worker-lock.js';

function newWorker() {
  const performed: string[] = [];
  const released: string[] = [];
  const work: LeasedWork<string> = {
    name: 'letter',
    topic: 'letters_due',
    table: 'letters',
    freeSlots: (running) => 4 - running,
    lease: () => Promise.resolve([]),
    perform: (item) => Promise.resolve(void performed.push(item)),
    release: (held: readonly Held<string>[]) =>
      Promise.resolve(void released.push(...held.map(({ item }) => item))),
    releaseLost: () => Promise.resolve(),
  };
  const lock = { heldBy: 1 } as WorkerLock;
  const metrics = { recordPerformed: () => undefined } as unknown as WorkMetrics;
  return { worker: new LeasedWorker(work, lock, metrics), performed, released };
}

it('performs what was leased under a grant, and counts its slots meanwhile', async () => {
  const { worker, performed } = newWorker();
  const grant = worker.grant(Infinity);
  expect(grant?.limit).toBe(4);
  expect(worker.grant(Infinity)).toBeUndefined();
  grant?.start(['a', 'b']);
  await expect.poll(() => performed).toEqual(['a', 'b']);
  expect(worker.grant(Infinity)?.limit).toBe(4);
});

it('releases what was leased under a grant while the shutdown began', async () => {
  const { worker, performed, released } = newWorker();
  const grant = worker.grant(Infinity);
  await worker.stop(1000);
  grant?.start(['a', 'b']);
  await expect.poll(() => released).toEqual(['a', 'b']);
  expect(performed).toEqual([]);
  expect(worker.grant(Infinity)).toBeUndefined();
});
