import { setImmediate } from 'node:timers/promises';
import { isDatabaseAway } from './database/database-errors.js';
import { GatewayError } from './errors/error-codes.js';

/** What a gatherer carries out, and how much of it. */
export interface BatchLimits {
  /** Items of one batch, at most. */
  readonly size: number;
  /** Items that may wait; beyond it, callers are sent away instead of queued. */
  readonly waiting: number;
  /** Batches under way at a time. */
  readonly concurrency: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Does work for many callers together: a call that finds nothing under way goes at once, together with
 * those of the same turn of the event loop, and calls that come meanwhile share the next batch. So waiting
 * costs nothing when there is little to do, and one round trip serves many when there is much.
 */
export class Batches<Item, Result> {
  private waiting: Waiting<Item, Result>[] = [];
  private running = 0;

  /** `work` returns a result for each item, in their order. */
  constructor(
    private readonly work: (items: readonly Item[]) => Promise<readonly Result[]>,
    private readonly limits: BatchLimits,
  ) {}

  /** Items that wait; those of the batch that is under way are not among them. */
  get length(): number {
    return this.waiting.length;
  }

  /** Rejects with `unavailable` where too many wait, and with what `work` threw. */
  addItem(item: Item): Promise<Result> {
    if (this.waiting.length >= this.limits.waiting) {
      return Promise.reject(
        new GatewayError('unavailable', 'Too much is under way. Try again in a moment.', {
          retryAfterSeconds: 1,
        }),
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
      // What this turn of the event loop has still to read is taken along: it is there already.
      await setImmediate();
      const batch = this.waiting.splice(0, this.limits.size);
      if (batch.length > 0) await this.carryOut(batch);
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
      // One that cannot be done must not spoil it for those that happened to come with it.
      if (batch.length > 1 && !isDatabaseAway(error)) {
        for (const one of batch) await this.carryOut([one]);
      } else {
        for (const { reject } of batch) reject(error);
      }
    }
  }
}
