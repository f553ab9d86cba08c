import { Injectable } from '@nestjs/common';
import pLimit, { type LimitFunction } from 'p-limit';
import { Settings } from '../../platform/config/settings.js';

/** Attempts begin early if a slot becomes free within this time. */
const AHEAD_MILLISECONDS = 10;
/** Maximum number of early attempts per slot. */
const AHEAD_PER_SLOT = 2;
/** Smoothing factor of the latency average (EWMA). */
const SMOOTHING_FACTOR = 0.1;

/**
 * Slots for requests to Reducto: `SUBMIT_CONCURRENCY` in each process. If Reducto answers within milliseconds,
 * slots would wait for the database, so some attempts begin early.
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

  /** How many more jobs to lease; negative if more than that wait. */
  get freeSlots(): number {
    return this.settings.SUBMIT_CONCURRENCY + this.ahead - this.held;
  }

  /** Smallest batch that is worth a statement while jobs wait. */
  get minBatch(): number {
    return Math.max(1, Math.floor(this.ahead / 2));
  }

  onSlotFree(listener: () => void): void {
    this.listener = listener;
  }

  /** Does `work` in a free slot. */
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
    const { SUBMIT_CONCURRENCY: slots } = this.settings;
    const soon = (slots * AHEAD_MILLISECONDS) / this.averageMilliseconds;
    return Math.min(AHEAD_PER_SLOT * slots, Math.floor(soon));
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
