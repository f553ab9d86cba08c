import pLimit, { type LimitFunction } from 'p-limit';

/** Work begins early if a slot becomes free within this time. */
const AHEAD_MILLISECONDS = 25;
/** Maximum amount of early work per slot. */
const AHEAD_PER_SLOT = 4;
/** Smoothing factor of the latency average (EWMA). */
const SMOOTHING_FACTOR = 0.1;

/**
 * Slots for requests to Reducto. If Reducto answers within milliseconds, slots would wait for the database, so some rows
 * are leased early.
 */
export class Slots {
  private readonly limit: LimitFunction;
  private held = 0;
  private averageMilliseconds = Number.POSITIVE_INFINITY;
  private listener: () => void = () => undefined;

  constructor(private readonly count: number) {
    this.limit = pLimit(count);
  }

  /** How many more rows to lease; negative if more than that wait. */
  get free(): number {
    return this.count + this.ahead - this.held;
  }

  /** Smallest batch that is worth a statement while rows wait. */
  get minBatch(): number {
    return Math.max(1, Math.floor(this.ahead / 2));
  }

  onFree(listener: () => void): void {
    this.listener = listener;
  }

  /** Does `work` in a free slot, after `before`, which may wait for something else than Reducto. */
  async withSlot<T>(work: () => Promise<T>, before?: () => Promise<void>): Promise<T> {
    this.held += 1;
    try {
      return await this.limit(async () => {
        await before?.();
        return this.timed(work);
      });
    } finally {
      this.held -= 1;
      this.listener();
    }
  }

  private get ahead(): number {
    const soon = (this.count * AHEAD_MILLISECONDS) / this.averageMilliseconds;
    return Math.min(AHEAD_PER_SLOT * this.count, Math.floor(soon));
  }

  private async timed<T>(work: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    try {
      return await work();
    } finally {
      const took = performance.now() - begin;
      const usual = this.averageMilliseconds;
      this.averageMilliseconds = Number.isFinite(usual)
        ? usual + (took - usual) * SMOOTHING_FACTOR
        : took;
    }
  }
}
