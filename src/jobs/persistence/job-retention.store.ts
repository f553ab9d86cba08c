import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';

/** A batch of the search for orphaned chunks. */
export interface Searched {
  /** Number of checked contents. */
  readonly count: number;
  /** The last checked content; `undefined` if none was left. */
  readonly upTo: string | undefined;
}

/**
 * All SQL that deletes expired rows of jobs. Ages count from the end of a job, by the database’s clock. Locked rows
 * are skipped until the next sweep.
 */
@Injectable()
export class JobRetentionStore {
  /** Detaches expired results and files from their jobs; `deleteChunks` deletes their bytes. Returns how many. */
  async expireResults(manager: EntityManager, days: number, limit: number): Promise<number> {
    return (await rows(manager, EXPIRE_RESULTS, [days, limit])).length;
  }

  /** Deletes jobs with their timelines, results, and files, once they have their events. Returns how many. */
  async deleteJobs(manager: EntityManager, days: number, limit: number): Promise<number> {
    return (await rows(manager, DELETE_JOBS, [days, limit])).length;
  }

  /** Deletes timeline entries that callbacks added to deleted jobs. */
  async deleteTraceContexts(manager: EntityManager, jobIds: readonly string[]): Promise<void> {
    await rows(manager, DELETE_TRACE_CONTEXTS, [jobIds]);
  }

  /** Deletes up to `limit` chunks that were discarded more than `graceSeconds` ago. Returns how many. */
  async deleteChunks(manager: EntityManager, graceSeconds: number, limit: number): Promise<number> {
    const contents = await rows<{ id: string }>(manager, DISCARDED, [graceSeconds, limit]);
    const ids = contents.map(({ id }) => id);
    if (ids.length === 0) return 0;
    const removed = await rows(manager, DELETE_CHUNKS, [ids, limit]);
    // Separate statements, because a CTE does not see the rows that another CTE deleted.
    await rows(manager, DELETE_CONTENTS, [ids]);
    return removed.length;
  }

  /**
   * Checks up to `limit` contents between `after` and `before`, in the order of their ids, and discards those
   * without a job.
   */
  async deleteOrphans(
    manager: EntityManager,
    after: string,
    before: string,
    limit: number,
  ): Promise<Searched> {
    const searched = await rows<{ id: string }>(manager, SEARCH_CONTENTS, [after, before, limit]);
    const ids = searched.map(({ id }) => id);
    if (ids.length > 0) await rows(manager, DISCARD_ORPHANS, [ids]);
    return { count: ids.length, upTo: ids.at(-1) };
  }
}

/* Arrays prevent joins with whole tables if the row estimate is wrong (`npm run bench:retention` prints the plans). */
export const EXPIRE_RESULTS = `
  WITH old AS MATERIALIZED (
    SELECT job_id, content_id
      FROM job_results
     CROSS JOIN LATERAL (
       SELECT FROM jobs WHERE jobs.id = job_id AND result_expired_at IS NULL LIMIT 1
          FOR NO KEY UPDATE SKIP LOCKED) AS job
     WHERE stored_at < now() - make_interval(days => $1)
     ORDER BY stored_at LIMIT $2),
  file AS (
    DELETE FROM job_files WHERE job_id = ANY (ARRAY(SELECT job_id FROM old)) RETURNING content_id),
  discarded AS (
    INSERT INTO discarded_contents (content_id)
    SELECT content_id FROM old UNION ALL SELECT content_id FROM file ON CONFLICT DO NOTHING),
  marked AS (
    UPDATE jobs SET result_expired_at = now() WHERE id = ANY (ARRAY(SELECT job_id FROM old)))
  DELETE FROM job_results WHERE job_id = ANY (ARRAY(SELECT job_id FROM old))
  RETURNING job_id`;

export const DELETE_JOBS = `
  WITH old AS (
    SELECT id FROM jobs
     WHERE ended_at < now() - make_interval(days => $1)
       AND NOT EXISTS (SELECT FROM event_outbox WHERE job_id = jobs.id)
       AND NOT EXISTS (SELECT FROM event_erasures WHERE job_id = jobs.id)
     ORDER BY ended_at LIMIT $2
       FOR UPDATE SKIP LOCKED),
  result AS (
    DELETE FROM job_results WHERE job_id = ANY (ARRAY(SELECT id FROM old)) RETURNING content_id),
  file AS (
    DELETE FROM job_files WHERE job_id = ANY (ARRAY(SELECT id FROM old)) RETURNING content_id),
  discarded AS (
    INSERT INTO discarded_contents (content_id)
    SELECT content_id FROM result UNION ALL SELECT content_id FROM file ON CONFLICT DO NOTHING),
  event AS (
    DELETE FROM job_events WHERE job_id = ANY (ARRAY(SELECT id FROM old))),
  orphan AS (
    DELETE FROM upstream_deletions
     WHERE job_id = ANY (ARRAY(SELECT id FROM old)) AND next_attempt_at IS NULL)
  DELETE FROM jobs WHERE id = ANY (ARRAY(SELECT id FROM old))
  RETURNING id`;

const DELETE_TRACE_CONTEXTS = `
  DELETE FROM job_events AS event
   WHERE job_id = ANY ($1::uuid[]) AND NOT EXISTS (SELECT FROM jobs WHERE id = event.job_id)`;

export const DISCARDED = `
  SELECT content_id AS id FROM discarded_contents
   WHERE discarded_at < now() - make_interval(secs => $1)
   ORDER BY discarded_at LIMIT $2
     FOR UPDATE SKIP LOCKED`;

export const DELETE_CHUNKS = `
  WITH old AS (
    SELECT content_id, seq FROM result_chunks AS chunk
     WHERE content_id = ANY ($1::uuid[])
       AND NOT EXISTS (SELECT FROM job_results WHERE content_id = chunk.content_id)
       AND NOT EXISTS (SELECT FROM job_files WHERE content_id = chunk.content_id)
     LIMIT $2)
  DELETE FROM result_chunks
   WHERE (content_id, seq) IN (SELECT content_id, seq FROM old)
  RETURNING seq`;

export const DELETE_CONTENTS = `
  DELETE FROM discarded_contents AS content
   WHERE content_id = ANY ($1::uuid[])
     AND (NOT EXISTS (SELECT FROM result_chunks WHERE content_id = content.content_id)
          OR EXISTS (SELECT FROM job_results WHERE content_id = content.content_id)
          OR EXISTS (SELECT FROM job_files WHERE content_id = content.content_id))`;

/** Index skip scan over the contents. */
export const SEARCH_CONTENTS = `
  WITH RECURSIVE content AS (
    (SELECT content_id AS id, 1 AS n FROM result_chunks
      WHERE content_id > $1 AND content_id < $2 ORDER BY content_id LIMIT 1)
    UNION ALL
    SELECT (SELECT content_id FROM result_chunks
             WHERE content_id > content.id AND content_id < $2 ORDER BY content_id LIMIT 1), n + 1
      FROM content WHERE id IS NOT NULL AND n < $3)
  SELECT id FROM content WHERE id IS NOT NULL ORDER BY id`;

const DISCARD_ORPHANS = `
  INSERT INTO discarded_contents (content_id)
  SELECT id FROM unnest($1::uuid[]) AS id
   WHERE NOT EXISTS (SELECT FROM job_results WHERE content_id = id)
     AND NOT EXISTS (SELECT FROM job_files WHERE content_id = id)
  ON CONFLICT DO NOTHING`;
