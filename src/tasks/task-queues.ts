/**
 * The queues. `short`: one waiting task per job; repeats coalesce. The task of a dead worker returns after
 * `heartbeatSeconds` plus the 10 s interval of the monitor. Retries are few because the job remembers when it is
 * due (`next_check_at`), and the reconciler queues the task again.
 */
const common = {
  policy: 'short',
  notify: true,
  heartbeatSeconds: 15,
  retryLimit: 4,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 30,
  deleteAfterSeconds: 600,
} as const;

export const TASK_QUEUES = {
  poll: { ...common, expireInSeconds: 7800 },
  // A poll cancels again too, but the next one may be minutes away, so this one is tried for hours.
  cancel: { ...common, expireInSeconds: 1200, retryLimit: 500, retryDelayMax: 60 },
} as const;

export type TaskQueueName = keyof typeof TASK_QUEUES;
