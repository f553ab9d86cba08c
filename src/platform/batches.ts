import { setImmediate, setTimeout } from 'node:timers/promises';
import { isDatabaseAway } from './database/database-errors.js';
import { GatewayError } from './errors/error-codes.js';

export interface BatchLimits {
  /** Maximum items of a batch. */
  readonly size: number;
  /** Maximum waiting items; further callers get `unavailable`. */
  readonly waiting: number;
  /** Concurrent batches. */
  readonly concurrency: number;
  /** How long a batch waits for more items after one of several, for work that nobody waits for. */
  readonly gatherMilliseconds?: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Batches the work of concurrent callers. An idle instance starts at once; calls that arrive during a batch share the
 * next one.
 */
export class Batches<Item, Result> {
  private waiting: Waiting<Item, Result>[] = [];
  private running = 0;

  /** `work` returns a result for each item, in their order. */
  constructor(
    private readonly work: (items: readonly Item[]) => Promise<readonly Result[]>,
    private readonly limits: BatchLimits,
  ) {}

  /** Waiting items, without those of running batches. */
  get length(): number {
    return this.waiting.length;
  }

  /** Rejects with `unavailable` if the queue is full, or with the error of `work`. */
  addItem(item: Item): Promise<Result> {
    if (this.waiting.length >= this.limits.waiting) {
      return Promise.reject(
        new GatewayError(
          'unavailable',
          'Too many requests are in progress. Try again in a moment.',
          {
            retryAfterSeconds: 1,
          },
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (this.running < this.limits.concurrency) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running += 1;
    while (this.waiting.length > 0) {
      // Lets the current turn of the event loop add the items that have already arrived.
      await setImmediate();
      const batch = this.waiting.splice(0, this.limits.size);
      if (batch.length > 0) await this.carryOut(batch);
      const { gatherMilliseconds = 0, size } = this.limits;
      if (gatherMilliseconds > 0 && batch.length > 1 && this.waiting.length < size) {
        await setTimeout(gatherMilliseconds);
      }
    }
    this.running -= 1;
  }

  private async carryOut(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.work(batch.map(({ item }) => item));
      batch.forEach(({ resolve, reject }, n) => {
        const result = results[n];
        if (result === undefined) reject(new Error('a batch has fewer results than items'));
        else resolve(result);
      });
    } catch (error) {
      // An item that fails must not fail the rest of its batch.
      if (batch.length > 1 && !isDatabaseAway(error)) {
        for (const one of batch) await this.carryOut([one]);
      } else {
        for (const { reject } of batch) reject(error);
      }
    }
  }
}
