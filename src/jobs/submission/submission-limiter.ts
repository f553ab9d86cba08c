import { Injectable } from '@nestjs/common';
import pLimit, { type LimitFunction } from 'p-limit';
import { Settings } from '../../platform/config/settings.js';

/** Attempts that begin early are those that will leave within so many milliseconds. */
const AHEAD_MILLISECONDS = 10;
/** And never more than so many for each place. */
const AHEAD_PER_SLOT = 2;
/** How much one request changes what is taken for the usual length of one. */
const SMOOTHING_FACTOR = 0.1;

/**
 * The places for requests that are on their way to Reducto: `SUBMIT_CONCURRENCY` in each process. While Reducto takes
 * its time, an attempt begins when there is a place for it. Where it answers within milliseconds, the database would be
 * what places wait for, so some attempts begin early: as many as a crash may leave behind without need.
 */
@Injectable()
export class SubmissionLimiter {
  private readonly limit: LimitFunction;
  private held = 0;
  private averageMilliseconds = Number.POSITIVE_INFINITY;
  private listener: () => void = () => undefined;

  constructor(private readonly settings: Settings) {
    this.limit = pLimit(settings.SUBMIT_CONCURRENCY);
  }

  /** How many more jobs are worth being taken up; below 0 when more than that wait. */
  get freeSlots(): number {
    return this.settings.SUBMIT_CONCURRENCY + this.ahead - this.held;
  }

  /** Fewer than these are not worth a statement, as long as some wait. */
  get minBatch(): number {
    return Math.max(1, Math.floor(this.ahead / 2));
  }

  /** Calls `listener` whenever a place becomes free. */
  onSlotFree(listener: () => void): void {
    this.listener = listener;
  }

  /** Does `work` when a place is free. */
  async withSlot<T>(work: () => Promise<T>): Promise<T> {
    this.held += 1;
    try {
      return await this.limit(() => this.timed(work));
    } finally {
      this.held -= 1;
      this.listener();
    }
  }

  private get ahead(): number {
    const { SUBMIT_CONCURRENCY: places } = this.settings;
    const soon = (places * AHEAD_MILLISECONDS) / this.averageMilliseconds;
    return Math.min(AHEAD_PER_SLOT * places, Math.floor(soon));
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
