import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows } from '../../platform/database/sql.js';
import { predecessorsOf } from '../job-status.js';
import type { HeldJob } from '../leases/job-lease.store.js';
import { LEASED_COLUMNS, type LeasedJob } from '../leases/leased-job.js';
import { encodeFairly } from '../../platform/text.js';
import type { JobType } from '../job-type.js';
import { Job } from '../job.entity.js';

export interface NewJob {
  id: string;
  service: string;
  type: JobType;
  priority: boolean;
  request: string;
  refersToJobs: boolean;
  metadata: string | null;
  channels: string[] | null;
  webhookUrl: string | null;
  idempotencyKey: string | null;
  requestHash: Buffer | null;
  trace: string | null;
}

/** For how long a job is deferred, and why, for its service. */
export interface Deferral {
  readonly seconds: number;
  readonly reason: string;
}

/** A job that Reducto created. `via` says how the gateway learned its id. */
export interface AcceptedUpstream {
  readonly id: string;
  readonly upstreamId: string;
  readonly via: 'answer' | 'callback' | 'listing';
  /** Time of the first poll, without a callback. */
  readonly firstPollSeconds: number;
}

interface SubmittedRow {
  readonly id: string;
  readonly upstreamId: string;
  /** A callback has already arrived. */
  readonly callback: boolean;
  /** A cancel was requested. */
  readonly cancel: boolean;
  readonly ageSeconds: number;
}

/** Batched statements that accept jobs and mark them as submitted. */
@Injectable()
export class JobSubmissionStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /**
   * Inserts jobs. They are due, except those of `deferrals`. Leaves out jobs with a repeated idempotency key, and those
   * of services with a limit of queued jobs, unless the transaction of `admitted` has counted them.
   */
  async insertJobs(
    jobs: readonly NewJob[],
    deferrals: ReadonlyMap<string, Deferral> = new Map(),
    manager = this.database,
    admitted = false,
  ): Promise<Job[]> {
    // A large request is a batch of its own, encoded in steps; the driver would block the event loop.
    const [first] = jobs;
    const alone =
      jobs.length === 1 && first !== undefined ? await encodeFairly(first.request) : undefined;
    const rows = jobs.map(
      ({ refersToJobs, requestHash, idempotencyKey, request, webhookUrl, ...job }) => ({
        ...job,
        request: alone === undefined ? request : null,
        refers_to_jobs: refersToJobs,
        webhook_url: webhookUrl,
        idempotency_key: idempotencyKey,
        request_hash: requestHash === null ? null : `\\x${requestHash.toString('hex')}`,
        defer_seconds: deferrals.get(job.id)?.seconds,
        deferral_reason: deferrals.get(job.id)?.reason,
      }),
    );
    const inserted = await preparedRows<InsertedRow>(manager, INSERT_JOBS, [
      JSON.stringify(rows),
      alone ?? null,
      admitted,
    ]);
    const byId = new Map(jobs.map((job) => [job.id, job]));
    return inserted.map((row) => Object.assign(new Job(), NEW_JOB, byId.get(row.id), row));
  }

  /** Moves jobs to `submitted`. Returns the moved jobs with their triggers. */
  markSubmitted(made: readonly AcceptedUpstream[], upstreamUrl: string): Promise<SubmittedRow[]> {
    return preparedRows<SubmittedRow>(this.database, MARK_SUBMITTED, [
      made.map(({ id }) => id),
      made.map(({ upstreamId }) => upstreamId),
      made.map(({ via }) => via),
      made.map(({ firstPollSeconds }) => firstPollSeconds),
      upstreamUrl,
      predecessorsOf('submitted'),
    ]);
  }

  /** Moves a job under its lease to `submitted`, without ending the lease. Repeating it changes nothing. */
  async markAnswered(
    { id, lease }: HeldJob,
    upstreamId: string,
    upstreamUrl: string,
  ): Promise<LeasedJob | undefined> {
    const parameters = [id, lease, upstreamId, upstreamUrl];
    const [answered] = await preparedRows<LeasedJob>(this.database, MARK_ANSWERED, parameters);
    return answered;
  }
}

type InsertedRow = Pick<
  Job,
  'id' | 'createdAt' | 'nextCheckAt' | 'deferralReason' | 'deferredUntil'
>;

/** Inserts in the order of the keys to avoid deadlocks. */
const INSERT_JOBS = {
  name: 'jobs-insert',
  text: `
    INSERT INTO jobs (id, service, type, priority, request, refers_to_jobs, metadata, channels,
                      webhook_url,
                      idempotency_key, request_hash, trace, next_check_at, deferral_reason, deferred_until)
    SELECT id, service, type, priority, coalesce(request, $2), refers_to_jobs, metadata, channels, webhook_url,
           idempotency_key, request_hash, trace, now() + make_interval(secs => coalesce(defer_seconds, 0)),
           deferral_reason, now() + make_interval(secs => defer_seconds)
      FROM json_to_recordset($1::json) AS job (id uuid, service text, type text, priority boolean,
             request text, refers_to_jobs boolean, metadata text, channels text[], webhook_url text,
             idempotency_key text, request_hash bytea, trace text, defer_seconds float8, deferral_reason text)
     WHERE (SELECT $3::boolean) OR NOT EXISTS (
             SELECT FROM services WHERE services.service = job.service AND max_queued IS NOT NULL)
     ORDER BY service, idempotency_key, id
    ON CONFLICT DO NOTHING
    RETURNING id, created_at AS "createdAt", next_check_at AS "nextCheckAt",
              deferral_reason AS "deferralReason", deferred_until AS "deferredUntil"`,
};

/** Arrays as subqueries give PostgreSQL one generic plan for all array lengths. */
const MARK_SUBMITTED = {
  name: 'jobs-mark-submitted',
  text: `
  WITH moved AS (
    UPDATE jobs
       SET status = 'submitted', upstream_id = made.upstream_id, upstream_url = $5,
           submitted_at = now(), uncertain_since = NULL,
           deferral_reason = NULL, deferred_until = NULL, polls = 0, lease = NULL, worker = NULL,
           next_check_at = CASE WHEN callback_received_at IS NULL AND cancel_requested_at IS NULL
                                THEN now() + make_interval(secs => made.first_poll) ELSE now() END
      FROM unnest((SELECT $1::uuid[]), (SELECT $2::text[]), (SELECT $3::text[]),
                  (SELECT $4::double precision[])) AS made (id, upstream_id, via, first_poll)
     WHERE jobs.id = made.id AND status = ANY ($6::text[])
    RETURNING jobs.id, made.upstream_id, made.via, callback_received_at IS NOT NULL AS callback,
              cancel_requested_at IS NOT NULL AS cancel,
              extract(epoch FROM now() - created_at)::double precision AS age),
  event AS (
    INSERT INTO job_events (job_id, type, detail)
    SELECT id, 'submitted', jsonb_build_object('upstreamId', upstream_id, 'via', via)
      FROM moved WHERE via <> 'answer')
  SELECT id, upstream_id AS "upstreamId", callback, cancel, age AS "ageSeconds" FROM moved`,
};

const MARK_ANSWERED = {
  name: 'jobs-mark-answered',
  text: `
  UPDATE jobs
     SET status = 'submitted', upstream_id = $3, upstream_url = $4,
         submitted_at = coalesce(submitted_at, now()), uncertain_since = NULL,
         deferral_reason = NULL, deferred_until = NULL, polls = 0
   WHERE id = $1 AND lease = $2 AND status IN ('queued', 'submitted')
  RETURNING ${LEASED_COLUMNS}`,
};

/** Column defaults of a new job. */
const NEW_JOB = {
  status: 'queued',
  upstreamId: null,
  upstreamUrl: null,
  submitAttempts: 0,
  submitStartedAt: null,
  uncertainSince: null,
  polls: 0,
  lease: null,
  worker: null,
  pollRequested: false,
  missingSince: null,
  unusableSince: null,
  resultMissingSince: null,
  cancelRequestedAt: null,
  cancelSentAt: null,
  callbackReceivedAt: null,
  assertedUpstreamId: null,
  triggerTrace: null,
  progress: null,
  error: null,
  settledBy: null,
  submittedAt: null,
  endedAt: null,
  missingFiles: null,
  resultExpiredAt: null,
  deletionRequestedAt: null,
  deletedAt: null,
} as const satisfies Omit<Job, keyof NewJob | keyof InsertedRow>;
