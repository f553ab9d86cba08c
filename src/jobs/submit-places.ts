import { Injectable } from '@nestjs/common';
import pLimit, { type LimitFunction } from 'p-limit';
import { Settings } from '../platform/config/settings.js';

/** Attempts that begin early are those that will leave within so many milliseconds. */
const AHEAD_MILLISECONDS = 10;
/** And never more than so many for each place. */
const AHEAD_PER_PLACE = 2;
/** How much one request changes what is taken for the usual length of one. */
const WEIGHT = 0.1;

/**
 * The places for requests that are on their way to Reducto: `SUBMIT_CONCURRENCY` in each process. While Reducto takes
 * its time, an attempt begins when there is a place for it. Where it answers within milliseconds, the database would be
 * what places wait for, so some attempts begin early: as many as a crash may leave behind without need.
 */
@Injectable()
export class SubmitPlaces {
  private readonly limit: LimitFunction;
  private inside = 0;
  private usualMilliseconds = Number.POSITIVE_INFINITY;
  private listener: () => void = () => undefined;

  constructor(private readonly settings: Settings) {
    this.limit = pLimit(settings.SUBMIT_CONCURRENCY);
  }

  /** How many more jobs are worth being taken up; below 0 when more than that wait. */
  get wanted(): number {
    return this.settings.SUBMIT_CONCURRENCY + this.ahead - this.inside;
  }

  /** Fewer than these are not worth a statement, as long as some wait. */
  get worthwhile(): number {
    return Math.max(1, Math.floor(this.ahead / 2));
  }

  /** Calls `listener` whenever a place becomes free. */
  onFree(listener: () => void): void {
    this.listener = listener;
  }

  /** Does `work` when a place is free. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.inside += 1;
    try {
      return await this.limit(() => this.timed(work));
    } finally {
      this.inside -= 1;
      this.listener();
    }
  }

  private get ahead(): number {
    const { SUBMIT_CONCURRENCY: places } = this.settings;
    const soon = (places * AHEAD_MILLISECONDS) / this.usualMilliseconds;
    return Math.min(AHEAD_PER_PLACE * places, Math.floor(soon));
  }

  private async timed<T>(work: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    try {
      return await work();
    } finally {
      const took = performance.now() - begin;
      const usual = this.usualMilliseconds;
      this.usualMilliseconds = Number.isFinite(usual) ? usual + (took - usual) * WEIGHT : took;
    }
  }
}
