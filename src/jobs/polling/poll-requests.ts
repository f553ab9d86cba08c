import type { EntityManager } from 'typeorm';
import { preparedRows, type Statement } from '../../platform/database/sql.js';
import type { LeaseGrant } from '../../platform/work/due-work.js';
import type { Notifications } from '../../platform/work/notifications.js';
import { LEASE_SECONDS, LEASED_COLUMNS, type LeasedJob } from '../leases/leased-job.js';
import { POLLS_DUE, UNCERTAIN_DUE } from '../persistence/job-transitions.store.js';
import { QUEUE_DELETIONS_ONCE } from '../deletion/job-deletion.store.js';
import type { PollGrants } from './poll-grants.js';

/** A callback that passed the guards. */
export interface VerifiedCallback {
  readonly jobId: string;
  readonly upstreamId: string;
  readonly status: string;
  /** Whether a token or signature authenticated it; otherwise its upstream id is ignored. */
  readonly proven: boolean;
}

/** The total is in each row; a row without `id` has nothing else. */
type RecordedRow = { readonly total: number } & (
  { readonly id: null } | (LeasedJob & { readonly handed: boolean })
);

/**
 * The polls that callbacks request. Jobs for which this process has free slots are leased by the statement that records
 * their callbacks; the others become due.
 */
export class PollRequests {
  private grant: LeaseGrant<LeasedJob> | undefined;
  private leased: readonly LeasedJob[] = [];
  private due: readonly LeasedJob[] = [];

  constructor(
    private readonly grants: PollGrants,
    private readonly notifications: Notifications,
  ) {}

  /** Records callbacks. Call it once, and then `announce` or `abandon`. */
  async request(manager: EntityManager, callbacks: readonly VerifiedCallback[]): Promise<void> {
    const column = <Key extends keyof VerifiedCallback>(key: Key): VerifiedCallback[Key][] =>
      callbacks.map((callback) => callback[key]);
    await this.record(manager, RECORD_CALLBACKS, [
      column('jobId'),
      column('upstreamId'),
      column('status'),
      column('proven'),
    ]);
  }

  /** As `request`, with a statement of `recordingStatement`. Returns the number of deliveries. */
  async record(
    manager: EntityManager,
    statement: Statement,
    parameters: readonly unknown[],
  ): Promise<number> {
    this.grant = this.grants.take();
    const { lease, limit = 0 } = this.grant ?? {};
    const rows = await preparedRows<RecordedRow>(manager, statement, [
      ...parameters,
      lease?.id,
      lease?.worker,
      limit,
    ]);
    const recorded = rows.filter((row) => row.id !== null);
    this.leased = recorded.filter(({ handed }) => handed);
    this.due = recorded.filter(({ handed }) => !handed);
    return rows[0]?.total ?? 0;
  }

  /** The statement has committed: begins the polls of leased jobs, and wakes the workers for the others. */
  announce(): void {
    this.grant?.start(this.leased);
    if (this.due.some(({ status }) => status === 'submitted')) this.notifications.send(POLLS_DUE);
    if (this.due.some(({ status }) => status === 'uncertain'))
      this.notifications.send(UNCERTAIN_DUE);
  }

  /** The statement failed, or its outcome is unknown. */
  abandon(): void {
    this.grant?.abandon();
  }
}

/**
 * A statement that records callbacks, the first asserted upstream id of each job, and the polls that they request, and
 * leases jobs for the grant. `callbacks` are CTEs; the last one is `callback` with the columns job_id, upstream_id, status,
 * proven, signed (Reducto asserts the upstream id), repeated (adds no timeline entry), deliveries, received_at, trace, and place
 * (their order). They have `parameters` parameters. A callback of an ended job with another upstream job or none shows one
 * that is deleted with the job. It locks jobs in the order of their ids to avoid deadlocks, and waits for deletions of theirs that
 * are under way. A leased job is due again once its holder is done. PostgreSQL expects one row of most CTEs, so none is joined with
 * another: it would compare each with each.
 */
export function recordingStatement(name: string, callbacks: string, parameters: number): Statement {
  const [lease, worker, limit] = [1, 2, 3].map((n) => `$${parameters + n}`);
  return {
    name,
    text: `
  WITH ${callbacks},
  first AS (
    SELECT job_id, min(received_at) AS received_at, max(trace) AS trace, min(place) AS place,
           array_agg(upstream_id ORDER BY place) FILTER (WHERE proven) AS asserted,
           array_agg(signed ORDER BY place) FILTER (WHERE proven) AS are_signed
      FROM callback GROUP BY job_id),
  event AS (
    INSERT INTO job_events (job_id, type, detail)
    SELECT job_id, 'callback_received',
           jsonb_build_object('status', status, 'upstreamId', upstream_id)
      FROM callback WHERE NOT repeated ORDER BY place),
  called AS MATERIALIZED (
    SELECT first.*, ended_at IS NULL AS is_open, jobs.upstream_id AS own_upstream_id, deletion_requested_at,
           status = 'submitted' AND lease IS NULL AND cancel_requested_at IS NULL AS is_free
      FROM first JOIN jobs ON jobs.id = first.job_id
     WHERE ended_at IS NULL OR (jobs.upstream_id IS NULL AND asserted IS NOT NULL) OR jobs.upstream_id <> ANY (asserted)
     ORDER BY jobs.id FOR NO KEY UPDATE OF jobs),
  planned_poll AS (
    SELECT *, is_free AND row_number() OVER (PARTITION BY is_free ORDER BY place)
                          <= (SELECT ${limit}::integer) AS handed
      FROM called WHERE is_open),
  late AS (
    INSERT INTO upstream_deletions AS deletion (job_id, upstream_id, include_persisted, origin, next_attempt_at)
    SELECT job_id, found.upstream_id, true, CASE WHEN bool_or(signed) THEN 'orphan' ELSE 'callback' END,
           CASE WHEN deletion_requested_at IS NOT NULL THEN now() END
      FROM called, unnest(asserted, are_signed) AS found (upstream_id, signed)
     WHERE NOT is_open AND found.upstream_id IS DISTINCT FROM own_upstream_id
     GROUP BY job_id, found.upstream_id, deletion_requested_at
    ${QUEUE_DELETIONS_ONCE}),
  requested AS (
    UPDATE jobs
       SET poll_requested = NOT handed,
           lease = CASE WHEN handed THEN ${lease}::uuid ELSE lease END,
           worker = CASE WHEN handed THEN ${worker}::integer ELSE worker END,
           callback_received_at = coalesce(callback_received_at, received_at),
           next_check_at = CASE WHEN handed THEN now() + interval '${LEASE_SECONDS} s'
                                WHEN lease IS NOT NULL OR status = 'queued' THEN next_check_at
                                ELSE least(next_check_at, now()) END,
           asserted_upstream_id = coalesce(asserted_upstream_id, asserted[1]),
           trigger_trace = coalesce(planned_poll.trace, trigger_trace)
      FROM planned_poll
     WHERE jobs.id = planned_poll.job_id
    RETURNING jobs.*, handed)
  SELECT total, handed, ${LEASED_COLUMNS}
    FROM (SELECT coalesce(sum(deliveries), 0)::integer AS total FROM callback) AS callbacks
         LEFT JOIN requested AS jobs ON true`,
  };
}

const RECORD_CALLBACKS = recordingStatement(
  'jobs-record-callbacks',
  `callback AS (
    SELECT *, false AS signed, false AS repeated, 1 AS deliveries, now() AS received_at, NULL::text AS trace
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[])
      WITH ORDINALITY AS callback (job_id, upstream_id, status, proven, place))`,
  4,
);
