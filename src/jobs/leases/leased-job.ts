import type { Settings } from '../../platform/config/settings.js';
import type { Lease } from '../../platform/work/due-work.js';
import type { JobAges } from '../persistence/job-queries.store.js';
import { age } from '../persistence/job-transitions.store.js';
import type { JobStatus } from '../job-status.js';
import type { JobType } from '../job-type.js';

/** An open job that this process has leased, as it was then. */
export interface LeasedJob {
  readonly id: string;
  readonly lease: string;
  readonly type: JobType;
  readonly status: JobStatus;
  readonly upstreamId: string | null;
  readonly assertedUpstreamId: string | null;
  readonly polls: number;
  readonly submitAttempts: number;
  /** When its last attempt to submit began, by the database’s clock. */
  readonly begunAt: Date;
  /** The last moment at which the request of an uncertain job can have arrived at Reducto. */
  readonly uncertainSince: Date | null;
  readonly cancelRequested: boolean;
  /** The request that led to this work, as a W3C `traceparent`. */
  readonly trace: string | null;
  readonly ages: JobAges;
}

/** How long a lease lasts without a renewal, if its worker is alive. */
export const LEASE_SECONDS = 30;

/** Margin after the request timeout; then an attempt counts as lost. */
const LOST_AFTER_SECONDS = 20;

/** How long an attempt to submit may take until it counts as lost, if its worker is alive. */
export function attemptSeconds({
  REDUCTO_SUBMIT_TIMEOUT_SECONDS,
}: Pick<Settings, 'REDUCTO_SUBMIT_TIMEOUT_SECONDS'>): number {
  return REDUCTO_SUBMIT_TIMEOUT_SECONDS + LOST_AFTER_SECONDS;
}

export type LeasedRow = Omit<LeasedJob, 'lease' | 'ages'> & JobAges;

/** Columns of a `LeasedRow` of `jobs`. */
export const LEASED_COLUMNS = `
  jobs.id, type, status, upstream_id AS "upstreamId", asserted_upstream_id AS "assertedUpstreamId", polls,
  submit_attempts AS "submitAttempts", coalesce(submit_started_at, created_at) AS "begunAt",
  uncertain_since AS "uncertainSince",
  cancel_requested_at IS NOT NULL AS "cancelRequested", coalesce(trigger_trace, trace) AS trace,
  ${age('created_at')} AS created, ${age('submitted_at')} AS submitted,
  ${age('submit_started_at')} AS "submitStarted", ${age('uncertain_since')} AS uncertain,
  ${age('callback_received_at')} AS callback,
  ${age('cancel_requested_at')} AS cancel, ${age('missing_since')} AS missing,
  ${age('unusable_since')} AS unusable, ${age('result_missing_since')} AS "resultMissing"`;

export function leasedJob(row: LeasedRow, lease: Lease): LeasedJob {
  const { created, submitted, submitStarted, uncertain, callback, cancel, ...rest } = row;
  const { missing, unusable, resultMissing, ...job } = rest;
  const sinceAnswers = { missing, unusable, resultMissing };
  return {
    ...job,
    lease: lease.id,
    ages: { created, submitted, submitStarted, uncertain, callback, cancel, ...sinceAnswers },
  };
}
