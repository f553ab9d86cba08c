import type { DueJob } from '../jobs/due-jobs.service.js';

/** How things stand when a pass begins. */
export interface SweepConditions {
  /** Reducto is in trouble, and is not to be asked. */
  readonly upstreamHeld: boolean;
  /** From how many jobs on the listing is worth its calls; infinite where there is none to be trusted. */
  readonly listingFrom: number;
  readonly maxAgeSeconds: number;
}

/** What each due job needs: every job is in exactly one of these. */
export interface SweepPlan {
  /** Sent, and nobody knows whether it arrived. */
  readonly searches: readonly DueJob[];
  /** Likely still running: the listing tells which of them are. */
  readonly bulkChecks: readonly DueJob[];
  /** To be looked at one by one. */
  readonly polls: readonly DueJob[];
  /** Their time is over, and Reducto cannot be asked for a last word. */
  readonly expirations: readonly DueJob[];
}

/**
 * Decides what a pass does with the jobs that are due. A job that a callback, a cancel or an odd answer
 * has marked, or whose time is over, gets a look of its own: the listing is only for telling apart the
 * many that simply take long.
 */
export function planSweep(due: readonly DueJob[], conditions: SweepConditions): SweepPlan {
  const tooOld = (job: DueJob): boolean => job.ageSeconds >= conditions.maxAgeSeconds;
  if (conditions.upstreamHeld) {
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
