/** The states of a job. README.md and docs/job-lifecycle.md draw the transitions. */
export const JOB_STATUSES = [
  'queued',
  'uncertain',
  'submitted',
  'completed',
  'failed',
  'cancelled',
  'expired',
] as const;

export type JobStatus = (typeof JOB_STATUSES)[number];

/**
 * Which status may follow which. A terminal status has no successor, and nothing else writes
 * `status`, so that a job can end only once.
 *
 * `uncertain → queued` is the second submit, allowed once a listing has shown that the first made nothing.
 */
export const TRANSITIONS = {
  queued: ['submitted', 'uncertain', 'failed', 'cancelled', 'expired'],
  uncertain: ['submitted', 'queued', 'failed', 'cancelled', 'expired'],
  submitted: ['completed', 'failed', 'cancelled', 'expired'],
  completed: [],
  failed: [],
  cancelled: [],
  expired: [],
} as const satisfies Record<JobStatus, readonly JobStatus[]>;

export type TerminalStatus = {
  [Status in JobStatus]: (typeof TRANSITIONS)[Status] extends readonly [] ? Status : never;
}[JobStatus];

export const TERMINAL_STATUSES = JOB_STATUSES.filter(isTerminal);

export function isTerminal(status: JobStatus): status is TerminalStatus {
  return TRANSITIONS[status].length === 0;
}

/** The statuses from which `to` can be reached: the `WHERE status IN (…)` of its guarded update. */
export function predecessorsOf(to: JobStatus): JobStatus[] {
  return JOB_STATUSES.filter((from) => (TRANSITIONS[from] as readonly JobStatus[]).includes(to));
}
