import type { Settings } from '../../platform/config/settings.js';
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

/** Columns of a `LeasedJob` of `jobs`. */
export const LEASED_COLUMNS = `
  jobs.id, lease, type, status, upstream_id AS "upstreamId", asserted_upstream_id AS "assertedUpstreamId", polls,
  submit_attempts AS "submitAttempts", coalesce(submit_started_at, created_at) AS "begunAt",
  uncertain_since AS "uncertainSince", cancel_requested_at IS NOT NULL AS "cancelRequested",
  coalesce(trigger_trace, trace) AS trace,
  json_build_object(
    'created', ${age('created_at')}, 'submitted', ${age('submitted_at')},
    'submitStarted', ${age('submit_started_at')}, 'uncertain', ${age('uncertain_since')},
    'callback', ${age('callback_received_at')}, 'cancel', ${age('cancel_requested_at')},
    'missing', ${age('missing_since')}, 'unusable', ${age('unusable_since')},
    'resultMissing', ${age('result_missing_since')}) AS ages`;
