import type { JobEventType } from '../../jobs/jobs-admin.service.js';
import { JOB_ERROR_CODES, type JobErrorCode } from '../../jobs/job-error.js';
import type { JobStatus } from '../../jobs/job-status.js';
import type { SettledBy } from '../../jobs/job.entity.js';
import type { SearchedStatus } from '../../jobs/jobs-admin.service.js';
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

export const STATUS_LABELS: Readonly<Record<JobStatus, string>> = {
  queued: 'The gateway has not sent it to Reducto yet.',
  uncertain:
    'The gateway sent it and got no answer. It asks Reducto for the job before it sends it again.',
  submitted: 'Reducto has it. The gateway waits for a callback, and polls it on a schedule.',
  completed: 'The job completed.',
  failed: 'The job failed.',
  cancelled: 'The job was cancelled.',
  expired: 'It expired: it was still open at its maximum age, or Reducto no longer knows it.',
};

export const SETTLED_BY_LABELS: Readonly<Record<SettledBy, string>> = {
  webhook: 'a callback',
  reconciler: 'the reconciler, without a callback',
  submission: 'the answer to the submission',
  cancellation: 'a cancellation before the submission',
};

/** Short, for lists. */
export const SETTLED_BY_NAMES: Readonly<Record<SettledBy, string>> = {
  webhook: 'callback',
  reconciler: 'reconciler',
  submission: 'submission',
  cancellation: 'cancellation',
};

export const EVENT_LABELS: Readonly<Record<JobEventType, string>> = {
  accepted: 'Accepted',
  submit_started: 'Sending to Reducto',
  submit_deferred: 'Submit deferred',
  submit_uncertain: 'No answer to the submit',
  submit_resolved: 'Outcome of the submit found',
  submitted: 'Reducto has it',
  callback_received: 'Callback received',
  polled: 'Polled: still open',
  cancel_requested: 'Cancel requested',
  event_delivered: 'Event delivered',
  event_not_delivered: 'Event not delivered',
  cancel_sent: 'Cancel sent to Reducto',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
  expired: 'Expired',
};

export function statusName(status: SearchedStatus): string {
  return status === 'unsuccessful' ? 'failed or expired' : status;
}

/** In the order of the pages. */
export const SETTLED_BY: readonly SettledBy[] = [
  'webhook',
  'reconciler',
  'submission',
  'cancellation',
];

const REASON_LABELS: Readonly<Record<JobErrorCode, string>> = {
  rejected_upstream: 'Reducto refused the request',
  failed_upstream: 'Reducto could not process the document',
  unknown_upstream: 'Reducto no longer has the job',
  upstream_unusable: 'Reducto’s answer could not be used',
  result_unavailable: 'The result could not be downloaded',
  result_incomplete: 'Files of the result could not be downloaded',
  submit_outcome_unknown: 'Whether Reducto has the job stayed unknown',
  source_unusable: 'The job that the input refers to has no usable result',
  cancelled: 'The job was cancelled',
  max_age_exceeded: 'The job was still open at its maximum age',
};

/** Empty for an error code of another version. */
export function reasonLabel(code: string): string {
  const known = JOB_ERROR_CODES.find((name) => name === code);
  return known === undefined ? '' : REASON_LABELS[known];
}
