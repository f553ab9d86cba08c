import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager, type QueryDeepPartialEntity } from 'typeorm';
import { preparedRows } from '../platform/database/sql.js';
import { CHANNEL, NOTIFY } from '../tasks/channel.js';
import { JobEvent, type JobEventType } from './job-event.entity.js';
import { isTerminal, predecessorsOf, type JobStatus } from './job-status.js';
import type { JobType } from './job-type.js';
import { Job, type SettledBy } from './job.entity.js';

/** The topic that carries the id of each job that ends. */
export const JOB_ENDED = 'job_ended';
/** The topic that says that there are jobs to be sent. */
export const JOBS_QUEUED = 'jobs_queued';

export interface NewJob {
  id: string;
  service: string;
  type: JobType;
  priority: boolean;
  request: Record<string, unknown>;
  metadata: Record<string, unknown> | null;
  idempotencyKey: string | null;
  requestHash: Buffer;
  trace: string | null;
}

type Changes = QueryDeepPartialEntity<Job>;

/** Who may write: a condition that the row must still meet. */
export type Fence = readonly [sql: string, parameters: Record<string, unknown>];

/** Only for whoever claimed the job last. A process that slept through the end of its claim writes nothing. */
export const heldBy = (claim: string): Fence => ['claim = :claim', { claim }];

/** Only while no later attempt to submit has begun. */
export const atAttempt = (attempt: number): Fence => ['submit_attempts = :attempt', { attempt }];

/** A callback that passed the guards. */
export interface NotedCallback {
  readonly jobId: string;
  readonly upstreamId: string;
  readonly status: string;
  /** Whether a token or signature proved it; without, its upstream id is not even a claim. */
  readonly proven: boolean;
  /** The same message again: acted upon, but not entered in the timeline once more. */
  readonly repeated: boolean;
  /** By the database's clock; absent: now. */
  readonly receivedAt?: Date;
  /** The request that brought it, as a W3C `traceparent`. */
  readonly trace?: string | null;
}

/** A job that Reducto has made. `via` says how its id became known: the answer, a callback, the listing. */
export interface MadeUpstream {
  readonly id: string;
  readonly upstreamId: string;
  readonly via: 'answer' | 'callback' | 'listing';
  /** Until the first look, where no callback comes. */
  readonly firstLookSeconds: number;
}

interface SubmittedRow {
  readonly id: string;
  readonly upstreamId: string;
  /** A callback has come already. */
  readonly callback: boolean;
  /** Somebody has asked to cancel it. */
  readonly cancel: boolean;
  readonly ageSeconds: number;
}

/** What is to be known of a job that has moved; the ages are seconds by the database's clock. */
export interface MovedJob {
  readonly type: JobType;
  readonly settledBy: SettledBy | null;
  readonly looks: number;
  readonly ageSeconds: number;
  readonly sinceCallbackSeconds: number | null;
}

/** An expression for `set`: now, or so many seconds from now, by the database's clock. */
export const now = (): string => 'now()';
export const inSeconds = (seconds: number) => (): string =>
  `now() + make_interval(secs => ${seconds.toFixed(3)})`;

/**
 * All that changes `jobs` and `job_events`, claims apart. Whatever changes a job names the statuses it may change from,
 * and the count of affected rows says whether it did: no lock, no check before, no race.
 */
@Injectable()
export class JobStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** Enters new jobs with the beginning of their timelines. Missing are those whose service used the idempotency key before. */
  async insert(jobs: readonly NewJob[]): Promise<Job[]> {
    const rows = jobs.map(({ requestHash, idempotencyKey, ...job }) => ({
      ...job,
      idempotency_key: idempotencyKey,
      request_hash: `\\x${requestHash.toString('hex')}`,
    }));
    const inserted = await preparedRows<InsertedRow>(this.database, INSERT_JOBS, [
      JSON.stringify(rows),
    ]);
    const byId = new Map(jobs.map((job) => [job.id, job]));
    return inserted.map((row) => Object.assign(new Job(), NEW_JOB, byId.get(row.id), row));
  }

  /**
   * Moves a job to `to` with `changes`, if its status allows it and `fence` holds. The end of a job
   * also drops its request, and wakes whoever waits for it once the transaction commits.
   */
  async move(
    manager: EntityManager,
    id: string,
    to: JobStatus,
    changes: Changes,
    event: [JobEventType, Record<string, unknown>?],
    fence: Fence,
  ): Promise<MovedJob | undefined> {
    const end: Changes = isTerminal(to)
      ? { endedAt: now, nextCheckAt: null, request: null, submitStartedAt: null }
      : {};
    const { raw } = await manager
      .createQueryBuilder()
      .update(Job)
      .set({ ...changes, ...end, claim: null, looking: false, status: to })
      .where('id = :id AND status IN (:...from)', { id, from: predecessorsOf(to) })
      .andWhere(...fence)
      .returning(
        `type, settled_by, looks, ${age('created_at')} AS age, ${age('callback_received_at')} AS callback_age`,
      )
      .execute();
    const [row] = raw as MovedRow[];
    if (row === undefined) return undefined;
    const found = isTerminal(to) ? { settledBy: row.settled_by, looks: row.looks } : {};
    await this.addEvent(manager, id, event[0], { ...event[1], ...found });
    if (isTerminal(to)) {
      await preparedRows(manager, NOTIFY, [CHANNEL, `${JOB_ENDED} ${id}`]);
    }
    return {
      type: row.type,
      settledBy: row.settled_by,
      looks: row.looks,
      ageSeconds: row.age,
      sinceCallbackSeconds: row.callback_age,
    };
  }

  /** Begins attempts to submit, each with its entry in the timeline. Returns the jobs of those that could begin. */
  async beginSubmits(
    attempts: readonly { readonly id: string; readonly attempt: number }[],
    seconds: number,
  ): Promise<Set<string>> {
    const begun = await preparedRows<{ id: string }>(this.database, BEGIN_SUBMITS, [
      attempts.map(({ id }) => id),
      attempts.map(({ attempt }) => attempt),
      seconds,
    ]);
    return new Set(begun.map(({ id }) => id));
  }

  /**
   * Moves jobs to `submitted`, each with its entry in the timeline. Returns those that could move, and what
   * came meanwhile; with `hintless`, moves only those for which nothing did.
   */
  markSubmitted(
    made: readonly MadeUpstream[],
    upstreamUrl: string,
    hintless: boolean,
    manager = this.database,
  ): Promise<SubmittedRow[]> {
    return preparedRows<SubmittedRow>(manager, MARK_SUBMITTED, [
      made.map(({ id }) => id),
      made.map(({ upstreamId }) => upstreamId),
      made.map(({ via }) => via),
      made.map(({ firstLookSeconds }) => firstLookSeconds),
      upstreamUrl,
      predecessorsOf('submitted'),
      hintless,
    ]);
  }

  /** Ends a job that Reducto has never seen, where `fence` holds. */
  endUnsent(
    manager: EntityManager,
    id: string,
    [sql, parameters]: Fence,
  ): Promise<MovedJob | undefined> {
    return this.move(
      manager,
      id,
      'cancelled',
      { settledBy: 'cancellation' },
      ['cancelled'],
      [`status = 'queued' AND ${sql}`, parameters],
    );
  }

  /** Changes a job that stays in `status`. False where it is no longer there, or `fence` fails. */
  async change(
    manager: EntityManager,
    id: string,
    status: JobStatus,
    changes: Changes,
    fence: Fence,
  ): Promise<boolean> {
    const { affected } = await manager
      .createQueryBuilder()
      .update(Job)
      .set(changes)
      .where('id = :id AND status = :status', { id, status })
      .andWhere(...fence)
      .execute();
    return affected === 1;
  }

  /** Notes a request to cancel on a job that has not ended; false where it has, or was asked before. */
  async requestCancel(manager: EntityManager, id: string): Promise<boolean> {
    const { affected } = await manager
      .createQueryBuilder()
      .update(Job)
      .set({ cancelRequestedAt: now })
      .where('id = :id AND ended_at IS NULL AND cancel_requested_at IS NULL', { id })
      .execute();
    return affected === 1;
  }

  /** Reducto has been told: a look follows soon, or right after the one that is under way. */
  async noteCancelSent(manager: EntityManager, id: string): Promise<boolean> {
    const { affected } = await manager
      .createQueryBuilder()
      .update(Job)
      .set({
        hinted: true,
        nextCheckAt: () => `CASE WHEN looking THEN next_check_at ELSE ${inSeconds(1)()} END`,
      })
      .where(`id = :id AND status = 'submitted'`, { id })
      .execute();
    return affected === 1;
  }

  /** What happened to the job meanwhile that whoever moves it must act upon. */
  async hints(
    manager: EntityManager,
    id: string,
  ): Promise<{ callback: boolean; cancel: boolean; again: boolean }> {
    const job = await manager.findOne(Job, {
      select: { id: true, callbackReceivedAt: true, cancelRequestedAt: true, hinted: true },
      where: { id },
    });
    return {
      callback: job !== null && job.callbackReceivedAt !== null,
      cancel: job !== null && job.cancelRequestedAt !== null,
      again: job !== null && job.hinted,
    };
  }

  /**
   * Notes the callbacks that have come for jobs, and what they claim; only the first of each is kept.
   * One that came before is not entered in the timeline once more. Returns the jobs that have not ended.
   */
  async noteCallbacks(
    manager: EntityManager,
    callbacks: readonly NotedCallback[],
  ): Promise<string[]> {
    const column = <Key extends keyof NotedCallback>(key: Key): NotedCallback[Key][] =>
      callbacks.map((callback) => callback[key]);
    const noted = await preparedRows<{ id: string }>(manager, NOTE_CALLBACKS, [
      column('jobId'),
      column('upstreamId'),
      column('status'),
      column('proven'),
      column('repeated'),
      column('receivedAt'),
    ]);
    return noted.map(({ id }) => id);
  }

  async addEvent(
    manager: EntityManager,
    jobId: string,
    type: JobEventType,
    detail: Record<string, unknown> = {},
  ): Promise<void> {
    await manager.insert(JobEvent, { jobId, type, detail: detail as object });
  }
}

type InsertedRow = Pick<Job, 'id' | 'createdAt' | 'nextCheckAt'>;

/** In the order of the keys, so that two processes with the same ones never wait for each other. */
const INSERT_JOBS = {
  name: 'jobs-insert',
  text: `
  WITH inserted AS (
    INSERT INTO jobs (id, service, type, priority, request, metadata, idempotency_key, request_hash,
                      trace, next_check_at)
    SELECT id, service, type, priority, request, metadata, idempotency_key, request_hash,
           trace, now()
      FROM json_to_recordset($1::json) AS job (id uuid, service text, type text, priority boolean,
             request jsonb, metadata jsonb, idempotency_key text, request_hash bytea, trace text)
     ORDER BY service, idempotency_key, id
    ON CONFLICT DO NOTHING
    RETURNING id, type, created_at, next_check_at),
  event AS (
    INSERT INTO job_events (job_id, type, detail)
    SELECT id, 'accepted', jsonb_build_object('type', type) FROM inserted)
  SELECT id, created_at AS "createdAt", next_check_at AS "nextCheckAt" FROM inserted`,
};

const BEGIN_SUBMITS = {
  name: 'jobs-begin-submits',
  text: `
  WITH begun AS (
    UPDATE jobs
       SET submit_started_at = now(), submit_attempts = wanted.attempt,
           next_check_at = now() + make_interval(secs => $3)
      FROM unnest($1::uuid[], $2::integer[]) AS wanted (id, attempt)
     WHERE jobs.id = wanted.id AND status = 'queued' AND submit_started_at IS NULL
       AND cancel_requested_at IS NULL AND submit_attempts = wanted.attempt - 1
    RETURNING jobs.id, wanted.attempt),
  event AS (
    INSERT INTO job_events (job_id, type, detail)
    SELECT id, 'submit_started', jsonb_build_object('attempt', attempt) FROM begun)
  SELECT id FROM begun`,
};

const MARK_SUBMITTED = {
  name: 'jobs-mark-submitted',
  text: `
  WITH moved AS (
    UPDATE jobs
       SET status = 'submitted', upstream_id = made.upstream_id, upstream_url = $5,
           submitted_at = now(), submit_started_at = NULL, looks = 0, claim = NULL, looking = false,
           next_check_at = now() + make_interval(secs =>
             CASE WHEN callback_received_at IS NULL THEN made.first_look ELSE 5 END)
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::double precision[])
        AS made (id, upstream_id, via, first_look)
     WHERE jobs.id = made.id AND status = ANY ($6::text[])
       AND (NOT $7 OR callback_received_at IS NULL AND cancel_requested_at IS NULL)
    RETURNING jobs.id, made.upstream_id, made.via, callback_received_at IS NOT NULL AS callback,
              cancel_requested_at IS NOT NULL AS cancel,
              extract(epoch FROM now() - created_at)::double precision AS age),
  event AS (
    INSERT INTO job_events (job_id, type, detail)
    SELECT id, 'submitted', jsonb_build_object('upstreamId', upstream_id, 'via', via) FROM moved)
  SELECT id, upstream_id AS "upstreamId", callback, cancel, age AS "ageSeconds" FROM moved`,
};

/** What the table gives a new job by itself. */
const NEW_JOB = {
  status: 'queued',
  upstreamId: null,
  upstreamUrl: null,
  submitAttempts: 0,
  submitStartedAt: null,
  looks: 0,
  claim: null,
  looking: false,
  hinted: false,
  missingSince: null,
  resultMissingSince: null,
  cancelRequestedAt: null,
  callbackReceivedAt: null,
  claimedUpstreamId: null,
  progress: null,
  error: null,
  settledBy: null,
  submittedAt: null,
  endedAt: null,
  resultExpiredAt: null,
} as const satisfies Omit<Job, keyof NewJob | 'createdAt' | 'nextCheckAt'>;

/**
 * Jobs are locked in the order of their ids, so that two processes never wait for each other. A job whose
 * callback has come is also due soon: its task may be taken for a repeat of one that is just being done, and
 * that one may have looked a moment too early.
 */
const NOTE_CALLBACKS = {
  name: 'jobs-note-callbacks',
  text: `
  WITH callback AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::boolean[],
                         $6::timestamptz[])
      WITH ORDINALITY AS callback (job_id, upstream_id, status, proven, repeated, received_at, place)),
  first AS (
    SELECT job_id, coalesce(min(received_at), now()) AS received_at FROM callback GROUP BY job_id),
  event AS (
    INSERT INTO job_events (job_id, type, detail)
    SELECT job_id, 'callback_received',
           jsonb_build_object('status', status, 'upstreamId', upstream_id)
      FROM callback WHERE NOT repeated ORDER BY place),
  open AS (
    SELECT id FROM jobs
     WHERE id = ANY ($1::uuid[]) AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE),
  claim AS (
    SELECT DISTINCT ON (job_id) job_id, upstream_id FROM callback WHERE proven ORDER BY job_id, place)
  UPDATE jobs
     SET hinted = true,
         callback_received_at = coalesce(callback_received_at, first.received_at),
         next_check_at = CASE WHEN looking OR status = 'queued' THEN next_check_at
                              ELSE least(next_check_at, now() + interval '5 s') END,
         claimed_upstream_id = coalesce(claimed_upstream_id, claim.upstream_id)
    FROM open JOIN first ON first.job_id = open.id LEFT JOIN claim ON claim.job_id = open.id
   WHERE jobs.id = open.id
  RETURNING jobs.id`,
};

interface MovedRow {
  type: JobType;
  settled_by: SettledBy | null;
  looks: number;
  age: number;
  callback_age: number | null;
}

/** Seconds since the moment in `column`, by the database’s clock. */
export function age(column: string): string {
  return `extract(epoch FROM now() - ${column})::double precision`;
}
