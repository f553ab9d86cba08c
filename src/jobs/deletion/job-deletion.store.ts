import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows, rows } from '../../platform/database/sql.js';
import type {
  DeletionOrigin,
  DeletionRequest,
  UpstreamDeletion,
} from './upstream-deletion.entity.js';

export type DueDeletion = Pick<
  UpstreamDeletion,
  'jobId' | 'upstreamId' | 'includePersisted' | 'origin' | 'attempts' | 'requestedBy'
> & {
  /** It is the upstream job of a job that is not deleted, as the gateway has learned since. */
  readonly isNeeded: boolean;
};

/** An upstream job that Reducto made for a job. */
export interface FoundUpstream {
  readonly jobId: string;
  readonly upstreamId: string;
}

/** No job has more upstream jobs; a sender with its token can assert any number. */
const MAX_PER_JOB = 20;

/** All SQL on deletions of single jobs. */
@Injectable()
export class JobDeletionStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /**
   * Deletes what the gateway stores of a job that has ended, except for the job itself, and queues the deletion at Reducto.
   * Returns the upstream jobs to delete; `undefined` if the job has not ended or is deleted already.
   */
  async deleteJob(
    manager: EntityManager,
    jobId: string,
    includePersisted: boolean,
  ): Promise<string[] | undefined> {
    // The snapshot of the next statement has what others queued for the job until they released it.
    await rows(manager, LOCK_ENDED, [jobId]);
    if ((await rows(manager, DELETE_JOB, [jobId, includePersisted])).length === 0) return undefined;
    const queued = await rows<{ id: string }>(manager, FIND_QUEUED, [jobId]);
    return queued.map(({ id }) => id);
  }

  /** Records who deleted the job, for the audit entries of the outcome. */
  async recordRequest(
    manager: EntityManager,
    jobId: string,
    request: DeletionRequest,
  ): Promise<void> {
    await rows(manager, RECORD_REQUEST, [jobId, JSON.stringify(request)]);
  }

  async eraseWebhooks(manager: EntityManager, jobIds: readonly string[]): Promise<void> {
    await rows(manager, ERASE_WEBHOOKS, [jobIds]);
  }

  /** Takes up to `limit` due deletions. Others take them again after `seconds`, unless they are done by then. */
  takeDue(limit: number, seconds: number): Promise<DueDeletion[]> {
    return preparedRows<DueDeletion>(this.database, TAKE_DUE, [limit, seconds]);
  }

  /**
   * Queues the deletion of those that no job needs: their jobs have ended without them, or have others. They are due `now`, or
   * once their jobs are deleted. Returns how many are due.
   */
  async queueOrphans(
    found: readonly FoundUpstream[],
    origin: Exclude<DeletionOrigin, 'job'>,
    when: 'now' | 'once-deleted',
  ): Promise<number> {
    const queued = await rows<{ isDue: boolean }>(this.database, QUEUE_ORPHANS, [
      found.map(({ jobId }) => jobId),
      found.map(({ upstreamId }) => upstreamId),
      origin,
      when === 'now',
    ]);
    return queued.filter(({ isDue }) => isDue).length;
  }

  async deferDeletion({ jobId, upstreamId }: FoundUpstream, seconds: number): Promise<void> {
    await rows(this.database, DEFER, [jobId, upstreamId, seconds]);
  }

  /** The job is deleted with the last of its upstream jobs. */
  async finishDeletion(
    manager: EntityManager,
    { jobId, upstreamId }: FoundUpstream,
  ): Promise<void> {
    // Of two that finish at once, the second one must see that the first one is gone.
    await rows(manager, LOCK_JOB, [jobId]);
    await rows(manager, REMOVE, [jobId, upstreamId]);
    await rows(manager, MARK_DELETED, [jobId]);
  }
}

const ERASE_WEBHOOKS = `
  UPDATE jobs SET webhook_url = NULL
   WHERE id = ANY (ARRAY(SELECT id FROM jobs WHERE id = ANY ($1::uuid[]) AND webhook_url IS NOT NULL
                          ORDER BY id FOR NO KEY UPDATE))`;

const LOCK_ENDED = `SELECT FROM jobs WHERE id = $1 AND ended_at IS NOT NULL FOR UPDATE`;

/**
 * The metadata moves to the outbox if the event of the end, which needs it, does not exist yet. Callbacks may have asserted
 * further upstream jobs.
 */
const DELETE_JOB = `
  WITH own AS MATERIALIZED (
    SELECT id, upstream_id, metadata FROM jobs
     WHERE id = $1 AND ended_at IS NOT NULL AND deletion_requested_at IS NULL),
  upstream AS MATERIALIZED (
    SELECT id, upstream_id, $2::boolean AS include_persisted, 'job' AS origin
      FROM own WHERE upstream_id IS NOT NULL
    UNION
    SELECT own.id, detail->>'upstreamId', true, 'callback'
      FROM own JOIN job_events ON job_id = own.id AND type = 'callback_received'
     WHERE ${isOrphan(`detail->>'upstreamId'`)}),
  kept AS (
    UPDATE event_outbox SET metadata = own.metadata FROM own WHERE job_id = own.id),
  marked AS (
    UPDATE jobs
       SET deletion_requested_at = now(),
           deleted_at = CASE WHEN NOT EXISTS (SELECT FROM upstream) AND NOT EXISTS (
                                    SELECT FROM upstream_deletions WHERE job_id = jobs.id) THEN now() END,
           result_expired_at = coalesce(result_expired_at, now()), metadata = NULL,
           error = error || '{"message":"Its service deleted the job."}'
     WHERE id = (SELECT id FROM own)
    RETURNING id),
  queued AS (
    INSERT INTO upstream_deletions (job_id, upstream_id, include_persisted, origin)
    SELECT * FROM upstream
    ON CONFLICT (job_id, upstream_id) DO NOTHING),
  orphaned AS (
    UPDATE upstream_deletions SET next_attempt_at = now()
     WHERE job_id = (SELECT id FROM own) AND next_attempt_at IS NULL),
  erasure AS (
    INSERT INTO event_erasures (job_id) SELECT id FROM marked),
  call AS (
    DELETE FROM job_calls WHERE job_id = (SELECT id FROM marked)),
  result AS (
    DELETE FROM job_results WHERE job_id = (SELECT id FROM marked) RETURNING content_id),
  file AS (
    DELETE FROM job_files WHERE job_id = (SELECT id FROM marked) RETURNING content_id),
  discarded AS (
    INSERT INTO discarded_contents (content_id)
    SELECT content_id FROM result UNION SELECT content_id FROM file ON CONFLICT DO NOTHING)
  SELECT id FROM marked`;

const FIND_QUEUED = `SELECT upstream_id AS id FROM upstream_deletions WHERE job_id = $1 ORDER BY 1`;

const RECORD_REQUEST = `UPDATE upstream_deletions SET requested_by = $2 WHERE job_id = $1`;

/** An upstream job that belongs to any job is never deleted for another one. */
function isOrphan(upstreamId: string): string {
  return `NOT EXISTS (SELECT FROM jobs AS owner WHERE owner.upstream_id = ${upstreamId})`;
}

/** SQL of the conflict of an insert as `deletion`: one proof is enough. */
export const QUEUE_DELETIONS_ONCE = `ON CONFLICT (job_id, upstream_id) DO UPDATE
     SET origin = excluded.origin, next_attempt_at = coalesce(deletion.next_attempt_at, excluded.next_attempt_at)
   WHERE excluded.origin = 'orphan'`;

/** It waits for a deletion of the job that is under way, and locks jobs in the order of their ids. */
const QUEUE_ORPHANS = `
  INSERT INTO upstream_deletions AS deletion (job_id, upstream_id, include_persisted, origin, next_attempt_at)
  SELECT DISTINCT job.id, found.upstream_id, true, $3::text,
         CASE WHEN $4::boolean OR deletion_requested_at IS NOT NULL THEN now() END
    FROM (SELECT * FROM unnest($1::uuid[], $2::text[]) AS found (job_id, upstream_id)
           WHERE ${isOrphan('found.upstream_id')} ORDER BY job_id) AS found,
         LATERAL (SELECT id, deletion_requested_at FROM jobs
                   WHERE jobs.id = found.job_id AND (ended_at IS NOT NULL OR jobs.upstream_id IS NOT NULL)
                   LIMIT 1 FOR SHARE) AS job
   WHERE (SELECT count(*) FROM upstream_deletions AS queued WHERE queued.job_id = job.id) < ${MAX_PER_JOB}
  ${QUEUE_DELETIONS_ONCE}
  RETURNING deletion.next_attempt_at IS NOT NULL AS "isDue"`;

const TAKE_DUE = {
  name: 'upstream-deletions-take',
  text: `
  WITH due AS MATERIALIZED (
    SELECT job_id, upstream_id FROM upstream_deletions
     WHERE next_attempt_at <= now()
     ORDER BY next_attempt_at LIMIT (SELECT $1::integer)
       FOR UPDATE SKIP LOCKED)
  UPDATE upstream_deletions AS deletion
     SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
    FROM due WHERE deletion.job_id = due.job_id AND deletion.upstream_id = due.upstream_id
  RETURNING deletion.job_id AS "jobId", deletion.upstream_id AS "upstreamId", origin,
            include_persisted AS "includePersisted", attempts, requested_by AS "requestedBy",
            EXISTS (SELECT FROM jobs AS owner
                     WHERE owner.upstream_id = deletion.upstream_id AND deletion_requested_at IS NULL) AS "isNeeded"`,
};

const DEFER = `
  UPDATE upstream_deletions SET next_attempt_at = now() + make_interval(secs => $3)
   WHERE job_id = $1 AND upstream_id = $2`;

const LOCK_JOB = `SELECT FROM jobs WHERE id = $1 FOR NO KEY UPDATE`;

const REMOVE = `DELETE FROM upstream_deletions WHERE job_id = $1 AND upstream_id = $2`;

const MARK_DELETED = `
  UPDATE jobs SET deleted_at = now()
   WHERE id = $1 AND deletion_requested_at IS NOT NULL AND deleted_at IS NULL
     AND NOT EXISTS (SELECT FROM upstream_deletions WHERE job_id = $1)`;
