/** The kinds of job, as services name them and as Reducto's endpoints begin. */
export const JOB_TYPES = ['parse', 'extract', 'split', 'edit', 'classify', 'pipeline'] as const;

export type JobType = (typeof JOB_TYPES)[number];
