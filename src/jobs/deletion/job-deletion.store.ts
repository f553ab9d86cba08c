import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows, rows } from '../../platform/database/sql.js';
import type { UpstreamDeletion } from './upstream-deletion.entity.js';

export type DueDeletion = Pick<
  UpstreamDeletion,
  'jobId' | 'upstreamId' | 'includePersisted' | 'attempts'
>;

/** All SQL on deletions of single jobs. */
@Injectable()
export class JobDeletionStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /**
   * Deletes what the gateway stores of a job that has ended, except for the job itself, and queues the deletion at Reducto.
   * False if the job has not ended or is deleted already.
   */
  async deleteJob(jobId: string, includePersisted: boolean): Promise<boolean> {
    return (await rows(this.database, DELETE_JOB, [jobId, includePersisted])).length === 1;
  }

  /** Takes up to `limit` due deletions. Others take them again after `seconds`, unless they are done by then. */
  takeDue(limit: number, seconds: number): Promise<DueDeletion[]> {
    return preparedRows<DueDeletion>(this.database, TAKE_DUE, [limit, seconds]);
  }

  async deferDeletion(jobId: string, seconds: number): Promise<void> {
    await rows(this.database, DEFER, [jobId, seconds]);
  }

  async finishDeletion(jobId: string): Promise<void> {
    await rows(this.database, FINISH, [jobId]);
  }
}

/** The metadata moves to the outbox if the event of the end, which needs it, does not exist yet. */
const DELETE_JOB = `
  WITH own AS MATERIALIZED (
    SELECT id, metadata FROM jobs
     WHERE id = $1 AND ended_at IS NOT NULL AND deletion_requested_at IS NULL FOR UPDATE),
  kept AS (
    UPDATE event_outbox SET metadata = own.metadata FROM own WHERE job_id = own.id),
  marked AS (
    UPDATE jobs
       SET deletion_requested_at = now(), deleted_at = CASE WHEN upstream_id IS NULL THEN now() END,
           result_expired_at = coalesce(result_expired_at, now()), metadata = NULL
     WHERE id = (SELECT id FROM own)
    RETURNING id, upstream_id),
  queued AS (
    INSERT INTO upstream_deletions (job_id, upstream_id, include_persisted)
    SELECT id, upstream_id, $2 FROM marked WHERE upstream_id IS NOT NULL),
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

const TAKE_DUE = {
  name: 'upstream-deletions-take',
  text: `
  UPDATE upstream_deletions
     SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
   WHERE job_id = ANY (ARRAY(
     SELECT job_id FROM upstream_deletions
      WHERE next_attempt_at <= now()
      ORDER BY next_attempt_at LIMIT (SELECT $1::integer)
        FOR UPDATE SKIP LOCKED))
  RETURNING job_id AS "jobId", upstream_id AS "upstreamId",
            include_persisted AS "includePersisted", attempts`,
};

const DEFER = `
  UPDATE upstream_deletions SET next_attempt_at = now() + make_interval(secs => $2)
   WHERE job_id = $1`;

const FINISH = `
  WITH done AS (
    DELETE FROM upstream_deletions WHERE job_id = $1 RETURNING job_id)
  UPDATE jobs SET deleted_at = now() WHERE id = (SELECT job_id FROM done)`;
