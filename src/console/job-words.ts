import type { JobEventType } from '../jobs/job-event.entity.js';
import type { JobStatus } from '../jobs/job-status.js';
import type { SettledBy } from '../jobs/job.entity.js';
import type { Tone } from './widgets.js';

export const STATUS_TONES: Readonly<Record<JobStatus, Tone>> = {
  queued: 'busy',
  uncertain: 'warn',
  submitted: 'busy',
  completed: 'good',
  failed: 'bad',
  cancelled: 'idle',
  expired: 'bad',
};

export const STATUS_WORDS: Readonly<Record<JobStatus, string>> = {
  queued: 'It waits to be sent to Reducto.',
  uncertain: 'It was sent, and no answer came: the gateway finds out what became of it.',
  submitted: 'Reducto has it. The gateway waits for a callback, and asks by itself now and then.',
  completed: 'It completed, and its result is stored.',
  failed: 'It failed.',
  cancelled: 'It was cancelled.',
  expired: 'It was given up.',
};

export const SETTLED_BY_WORDS: Readonly<Record<SettledBy, string>> = {
  webhook: 'a callback',
  reconciler: 'the reconciler, without a callback',
  submission: 'the answer to the submit',
  cancellation: 'a cancel before it was sent',
};

/** The same for a list. */
export const SETTLED_BY_NAMES: Readonly<Record<SettledBy, string>> = {
  webhook: 'callback',
  reconciler: 'reconciler',
  submission: 'submit',
  cancellation: 'cancel',
};

export const EVENT_WORDS: Readonly<Record<JobEventType, string>> = {
  accepted: 'Accepted',
  submit_started: 'Sending to Reducto',
  submit_deferred: 'Put off by Reducto',
  submit_uncertain: 'No answer to the submit',
  submit_resolved: 'Found out what became of the submit',
  submitted: 'Reducto has it',
  callback_received: 'Callback received',
  looked: 'Looked: not finished',
  result_deferred: 'Result not to be had yet',
  cancel_requested: 'Cancel asked for',
  cancel_sent: 'Reducto told to cancel',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
  expired: 'Given up',
};
