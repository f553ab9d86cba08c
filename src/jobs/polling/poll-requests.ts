import type { EntityManager } from 'typeorm';
import { preparedRows } from '../../platform/database/sql.js';
import type { LeaseGrant } from '../../platform/work/due-work.js';
import type { Notifications } from '../../platform/work/notifications.js';
import { LEASE_SECONDS, LEASED_COLUMNS, type LeasedJob } from '../leases/leased-job.js';
import { POLLS_DUE, UNCERTAIN_DUE } from '../persistence/job-transitions.store.js';
import type { PollGrants } from './poll-grants.js';

/** A callback that passed the guards. */
export interface VerifiedCallback {
  readonly jobId: string;
  readonly upstreamId: string;
  readonly status: string;
  /** Whether a token or signature authenticated it; otherwise its upstream id is ignored. */
  readonly proven: boolean;
  /** A repeated message: requests a poll, but adds no timeline entry. */
  readonly repeated: boolean;
  /** By the database’s clock; defaults to now. */
  readonly receivedAt?: Date;
  /** The request that brought it, as a W3C `traceparent`. */
  readonly trace?: string | null;
}

type RecordedRow = LeasedJob & { readonly handed: boolean };

/**
 * The polls that callbacks request, in one transaction. Jobs for which this process has free slots are leased by the
 * statement that records their callbacks; the others become due.
 */
export class PollRequests {
  private grant: LeaseGrant<LeasedJob> | undefined;
  private recorded: readonly RecordedRow[] = [];

  constructor(
    private readonly grants: PollGrants,
    private readonly notifications: Notifications,
  ) {}

  /** Records callbacks and the first asserted upstream id of each job. Call it once, and then `announce` or `abandon`. */
  async request(manager: EntityManager, callbacks: readonly VerifiedCallback[]): Promise<void> {
    const column = <Key extends keyof VerifiedCallback>(key: Key): VerifiedCallback[Key][] =>
      callbacks.map((callback) => callback[key]);
    this.grant = this.grants.take();
    this.recorded = await preparedRows<RecordedRow>(manager, RECORD_CALLBACKS, [
      column('jobId'),
      column('upstreamId'),
      column('status'),
      column('proven'),
      column('repeated'),
      column('receivedAt'),
      column('trace'),
      this.grant?.lease.id,
      this.grant?.lease.worker,
      this.grant?.limit ?? 0,
      LEASE_SECONDS,
    ]);
  }

  /** The transaction has committed: begins the polls of leased jobs, and wakes the workers for the others. */
  announce(): void {
    this.grant?.start(this.recorded.filter(({ handed }) => handed));
    const due = this.recorded.filter(({ handed }) => !handed);
    if (due.some(({ status }) => status === 'submitted')) this.notifications.send(POLLS_DUE);
    if (due.some(({ status }) => status === 'uncertain')) this.notifications.send(UNCERTAIN_DUE);
  }

  /** The transaction failed, or its outcome is unknown. */
  abandon(): void {
    this.grant?.abandon();
  }
}

/** Locks jobs in the order of their ids to avoid deadlocks. A leased job is due again once its holder is done. */
const RECORD_CALLBACKS = {
  name: 'jobs-record-callbacks',
  text: `
  WITH callback AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::boolean[],
                         $6::timestamptz[], $7::text[])
      WITH ORDINALITY
        AS callback (job_id, upstream_id, status, proven, repeated, received_at, trace, place)),
  first AS (
    SELECT job_id, coalesce(min(received_at), now()) AS received_at, max(trace) AS trace, min(place) AS place
      FROM callback GROUP BY job_id),
  event AS (
    INSERT INTO job_events (job_id, type, detail)
    SELECT job_id, 'callback_received',
           jsonb_build_object('status', status, 'upstreamId', upstream_id)
      FROM callback WHERE NOT repeated ORDER BY place),
  open AS MATERIALIZED (
    SELECT id, status = 'submitted' AND lease IS NULL AND cancel_requested_at IS NULL AS is_free
      FROM jobs
     WHERE id = ANY ($1::uuid[]) AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE),
  handed AS (
    SELECT id, true AS handed FROM open JOIN first ON first.job_id = open.id
     WHERE is_free ORDER BY place LIMIT (SELECT $10::integer)),
  asserted AS (
    SELECT DISTINCT ON (job_id) job_id, upstream_id FROM callback WHERE proven ORDER BY job_id, place),
  requested AS (
    UPDATE jobs
       SET poll_requested = handed IS NULL,
           lease = CASE WHEN handed THEN $8::uuid ELSE lease END,
           worker = CASE WHEN handed THEN $9::integer ELSE worker END,
           callback_received_at = coalesce(callback_received_at, first.received_at),
           next_check_at = CASE WHEN handed THEN now() + make_interval(secs => $11)
                                WHEN lease IS NOT NULL OR status = 'queued' THEN next_check_at
                                ELSE least(next_check_at, now()) END,
           asserted_upstream_id = coalesce(asserted_upstream_id, asserted.upstream_id),
           trigger_trace = coalesce(first.trace, trigger_trace)
      FROM open JOIN first ON first.job_id = open.id LEFT JOIN asserted ON asserted.job_id = open.id
           LEFT JOIN handed USING (id)
     WHERE jobs.id = open.id
    RETURNING jobs.*, coalesce(handed, false) AS handed)
  SELECT handed, ${LEASED_COLUMNS} FROM requested AS jobs`,
};
