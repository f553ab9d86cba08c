/**
 * What a lease reads to find due jobs:
 *
 * - `live`: the index of due jobs from its beginning. Dead entries stay there while an old snapshot is open, such as
 *   that of pg_dump, and each lease reads all of them.
 * - `bounded`: the services with any job, and of each the entries from a lower bound on. It finds a job late whose row a
 *   transaction wrote below the bound, and it costs more where services are many.
 */
export type Scan = 'live' | 'bounded';

/** How much cheaper the bounded scan must be. */
const MIN_GAIN = 1.3;
const MIN_GAIN_MILLISECONDS = 0.5;
/** The other scan is tried for this share of the time, at least and at most so often, in milliseconds. */
const TRIAL_SHARE = 0.01;
const MIN_TRIAL_INTERVAL = 1000;
const MAX_TRIAL_INTERVAL = 5000;
/** Growth of the expected time by a slower lease. It follows a faster one at once, because a busy machine only adds. */
const RISE = 1.05;

/** Chooses the scan by what both cost. */
export class ScanChoice {
  private readonly expected = { live: Infinity, bounded: Infinity };
  private readonly at = { live: performance.now(), bounded: performance.now() };

  /** The scan of a lease that begins at `now`, by `performance.now()`; a trial is not the cheaper one. */
  next(now: number): { scan: Scan; isTrial: boolean } {
    const { live, bounded } = this.expected;
    const isCheaper = live > bounded * MIN_GAIN + MIN_GAIN_MILLISECONDS;
    const [scan, other]: [Scan, Scan] = isCheaper ? ['bounded', 'live'] : ['live', 'bounded'];
    const expected = Number.isFinite(this.expected[other]) ? this.expected[other] : 0;
    const interval = Math.max(expected / TRIAL_SHARE, MIN_TRIAL_INTERVAL);
    const isTrial = now - this.at[other] >= Math.min(interval, MAX_TRIAL_INTERVAL);
    return { scan: isTrial ? other : scan, isTrial };
  }

  record(scan: Scan, begin: number, end: number): void {
    const took = end - begin;
    const expected = this.expected[scan];
    this.expected[scan] = Math.min(took, expected * RISE);
    this.at[scan] = end;
  }
}
