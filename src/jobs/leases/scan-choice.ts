/**
 * What a lease reads to find due jobs:
 *
 * - `live`: the index of due jobs from its beginning. Dead entries stay there while an old snapshot is open, such as
 *   that of pg_dump, and each lease reads all of them.
 * - `bounded`: the services with any job, and of each the entries from a lower bound on. It costs more where services are
 *   many, and finds jobs late that a transaction put below the bound.
 */
export type Scan = 'live' | 'bounded';

/** How much cheaper the bounded scan must be. */
const MIN_GAIN = 1.25;
const MIN_GAIN_MILLISECONDS = 0.25;
/** The other scan is tried for this share of the time, at least and at most so often, in milliseconds. */
const TRIAL_SHARE = 0.01;
const MIN_TRIAL_INTERVAL = 1000;
const MAX_TRIAL_INTERVAL = 5000;
/** Smoothing factor of the averages (EWMA). */
const SMOOTHING_FACTOR = 0.2;

/** Chooses the scan by what both have cost lately. */
export class ScanChoice {
  private readonly average = { live: 0, bounded: 0 };
  private readonly at = { live: performance.now(), bounded: performance.now() };

  /** The scan of a lease that begins at `now`, by `performance.now()`. */
  next(now: number): Scan {
    const { live, bounded } = this.average;
    const isDear = bounded > 0 && live > bounded * MIN_GAIN + MIN_GAIN_MILLISECONDS;
    const [usual, other]: [Scan, Scan] = isDear ? ['bounded', 'live'] : ['live', 'bounded'];
    const interval = Math.max(this.average[other] / TRIAL_SHARE, MIN_TRIAL_INTERVAL);
    return now - this.at[other] >= Math.min(interval, MAX_TRIAL_INTERVAL) ? other : usual;
  }

  record(scan: Scan, begin: number, end: number): void {
    const average = this.average[scan];
    const took = end - begin;
    this.average[scan] = average === 0 ? took : average + (took - average) * SMOOTHING_FACTOR;
    this.at[scan] = end;
  }
}
