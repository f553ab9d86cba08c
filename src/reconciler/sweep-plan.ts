import type { DueJob } from '../jobs/due-jobs.service.js';

/** Conditions at the start of a sweep. */
export interface SweepConditions {
  /** Reducto is unavailable: polling backs off. */
  readonly upstreamUnavailable: boolean;
  /** Number of jobs above which a bulk check pays; infinite without a trusted listing. */
  readonly listingFrom: number;
  readonly maxAgeSeconds: number;
}

/** What each due job needs: every job is in one of these lists. */
export interface SweepPlan {
  /** Uncertain: the listing is searched for them. */
  readonly searches: readonly DueJob[];
  /** Probably still running: the bulk check tells. */
  readonly bulkChecks: readonly DueJob[];
  /** To be polled one by one. */
  readonly polls: readonly DueJob[];
  /** Past the maximum age while Reducto is unavailable. */
  readonly expirations: readonly DueJob[];
}

/**
 * Decides what a sweep does with due jobs. A job with a trigger, or past its maximum age, gets a poll of its own;
 * the bulk check is for the many that simply take long.
 */
export function planSweep(due: readonly DueJob[], conditions: SweepConditions): SweepPlan {
  const tooOld = (job: DueJob): boolean => job.ageSeconds >= conditions.maxAgeSeconds;
  if (conditions.upstreamUnavailable) {
    return { searches: [], bulkChecks: [], polls: [], expirations: due.filter(tooOld) };
  }
  const searches = due.filter((job) => job.status === 'uncertain');
  const submitted = due.filter((job) => job.status === 'submitted');
  const plain = submitted.filter((job) => !job.pollSoon && !tooOld(job));
  if (plain.length < conditions.listingFrom) {
    return { searches, bulkChecks: [], polls: submitted, expirations: [] };
  }
  const marked = submitted.filter((job) => job.pollSoon || tooOld(job));
  return { searches, bulkChecks: plain, polls: marked, expirations: [] };
}
