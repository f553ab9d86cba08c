/**
 * What a lease reads to find due jobs:
 *
 * - `live`: the index of due jobs from its beginning. Dead entries stay there while an old snapshot is open, such as
 *   that of pg_dump, and each lease reads all of them.
 * - `bounded`: the services with any job, and of each the entries from a lower bound on. It finds a job late whose row a
 *   transaction wrote below the bound, and it costs more where services are many.
 */
export type Scan = 'live' | 'bounded';

/** How much cheaper the bounded scan must be, and for how many live scans in a row: a busy machine slows some of them. */
const MIN_GAIN = 1.3;
const MIN_GAIN_MILLISECONDS = 0.5;
const MIN_SLOW_SCANS = 20;
/** The other scan is tried for this share of the time, at least and at most so often, in milliseconds. */
const TRIAL_SHARE = 0.01;
const MIN_TRIAL_INTERVAL = 1000;
const MAX_TRIAL_INTERVAL = 5000;
/** Growth of the expected time of a bounded scan by a slower one. It follows a faster one at once. */
const RISE = 1.05;

/** Chooses the scan by what both cost. */
export class ScanChoice {
  /** Milliseconds: of a bounded scan as expected, and of the last live scan. */
  private readonly took = { live: 0, bounded: Infinity };
  private readonly at = { live: performance.now(), bounded: performance.now() };
  /** Live scans in a row that took longer than a bounded one. */
  private slowScans = 0;

  /** The scan of a lease that begins at `now`, by `performance.now()`; a trial is not of the cheaper one. */
  next(now: number): { scan: Scan; isTrial: boolean } {
    const isDear = this.slowScans >= MIN_SLOW_SCANS;
    const [scan, other]: [Scan, Scan] = isDear ? ['bounded', 'live'] : ['live', 'bounded'];
    const took = Number.isFinite(this.took[other]) ? this.took[other] : 0;
    const interval = Math.max(took / TRIAL_SHARE, MIN_TRIAL_INTERVAL);
    const isTrial = now - this.at[other] >= Math.min(interval, MAX_TRIAL_INTERVAL);
    return { scan: isTrial ? other : scan, isTrial };
  }

  record(scan: Scan, begin: number, end: number): void {
    const took = end - begin;
    this.at[scan] = end;
    if (scan === 'bounded') {
      this.took.bounded = Math.min(took, this.took.bounded * RISE);
      return;
    }
    this.took.live = took;
    const isSlow = took > this.took.bounded * MIN_GAIN + MIN_GAIN_MILLISECONDS;
    this.slowScans = isSlow ? this.slowScans + 1 : 0;
  }
}
