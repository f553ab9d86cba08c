import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';

/** A stretch of the search for chunks that belong to nothing. */
export interface Searched {
  /** Contents that were checked. */
  readonly count: number;
  /** The last of them; `undefined` where there was none. */
  readonly upTo: string | undefined;
}

/**
 * All SQL that removes what is old from the tables of the jobs. Ages count from the end of a job and by the
 * database's clock; what has not ended has no age. Rows that somebody else has locked are left for later.
 */
@Injectable()
export class JobRetentionStore {
  /** Takes results from their jobs, which say so from then on. Their bytes go later. Returns how many. */
  async expireResults(manager: EntityManager, days: number, limit: number): Promise<number> {
    return (await rows(manager, EXPIRE_RESULTS, [days, limit])).length;
  }

  /** Removes jobs with their timelines and, where they still have one, their results. Returns how many. */
  async deleteJobs(manager: EntityManager, days: number, limit: number): Promise<number> {
    return (await rows(manager, DELETE_JOBS, [days, limit])).length;
  }

  /** Removes what a callback has entered in the timelines of jobs that are gone. */
  async deleteTraceContexts(manager: EntityManager, jobIds: readonly string[]): Promise<void> {
    await rows(manager, DELETE_TRACE_CONTEXTS, [jobIds]);
  }

  /**
   * Removes up to `limit` chunks that were discarded more than `graceSeconds` ago. Returns how many.
   */
  async deleteChunks(manager: EntityManager, graceSeconds: number, limit: number): Promise<number> {
    const contents = await rows<{ id: string }>(manager, DISCARDED, [graceSeconds, limit]);
    const ids = contents.map(({ id }) => id);
    if (ids.length === 0) return 0;
    const removed = await rows(manager, DELETE_CHUNKS, [ids, limit]);
    // A statement does not see what one before it in the same snapshot has removed: hence three of them.
    await rows(manager, DELETE_CONTENTS, [ids]);
    return removed.length;
  }

  /**
   * Checks up to `limit` contents after `after` and before `before`, in the order of their ids, and
   * discards those that no job has.
   */
  async deleteOrphans(
    manager: EntityManager,
    after: string,
    before: string,
    limit: number,
  ): Promise<Searched> {
    const searched = await rows<{ id: string }>(manager, SEARCH_CONTENTS, [after, before, limit]);
    const ids = searched.map(({ id }) => id);
    if (ids.length > 0) await rows(manager, DISCARD_LOST, [ids]);
    return { count: ids.length, upTo: ids.at(-1) };
  }
}

/*
 * The arrays keep PostgreSQL from joining with whole tables, however wrong its guess of how many rows there
 * are (`npm run bench:retention` prints the plans).
 */
export const EXPIRE_RESULTS = `
  WITH old AS (
    SELECT job_id, content_id FROM job_results
     WHERE stored_at < now() - make_interval(days => $1)
     ORDER BY stored_at LIMIT $2
       FOR UPDATE SKIP LOCKED),
  discarded AS (
    INSERT INTO discarded_contents (content_id) SELECT content_id FROM old ON CONFLICT DO NOTHING),
  told AS (
    UPDATE jobs SET result_expired_at = now() WHERE id = ANY (ARRAY(SELECT job_id FROM old)))
  DELETE FROM job_results WHERE job_id = ANY (ARRAY(SELECT job_id FROM old))
  RETURNING job_id`;

export const DELETE_JOBS = `
  WITH old AS (
    SELECT id FROM jobs
     WHERE ended_at < now() - make_interval(days => $1)
     ORDER BY ended_at LIMIT $2
       FOR UPDATE SKIP LOCKED),
  result AS (
    DELETE FROM job_results WHERE job_id = ANY (ARRAY(SELECT id FROM old)) RETURNING content_id),
  discarded AS (
    INSERT INTO discarded_contents (content_id) SELECT content_id FROM result ON CONFLICT DO NOTHING),
  event AS (
    DELETE FROM job_events WHERE job_id = ANY (ARRAY(SELECT id FROM old)))
  DELETE FROM jobs WHERE id = ANY (ARRAY(SELECT id FROM old))
  RETURNING id`;

const DELETE_TRACE_CONTEXTS = `
  DELETE FROM job_events AS event
   WHERE job_id = ANY ($1::uuid[]) AND NOT EXISTS (SELECT FROM jobs WHERE id = event.job_id)`;

/** One that has found its job after all is no longer discarded. */
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
     LIMIT $2)
  DELETE FROM result_chunks
   WHERE (content_id, seq) IN (SELECT content_id, seq FROM old)
  RETURNING seq`;

export const DELETE_CONTENTS = `
  DELETE FROM discarded_contents AS content
   WHERE content_id = ANY ($1::uuid[])
     AND (NOT EXISTS (SELECT FROM result_chunks WHERE content_id = content.content_id)
          OR EXISTS (SELECT FROM job_results WHERE content_id = content.content_id))`;

/** From one content to the next by the index, without reading the chunks in between. */
export const SEARCH_CONTENTS = `
  WITH RECURSIVE content AS (
    (SELECT content_id AS id, 1 AS n FROM result_chunks
      WHERE content_id > $1 AND content_id < $2 ORDER BY content_id LIMIT 1)
    UNION ALL
    SELECT (SELECT content_id FROM result_chunks
             WHERE content_id > content.id AND content_id < $2 ORDER BY content_id LIMIT 1), n + 1
      FROM content WHERE id IS NOT NULL AND n < $3)
  SELECT id FROM content WHERE id IS NOT NULL ORDER BY id`;

const DISCARD_LOST = `
  INSERT INTO discarded_contents (content_id)
  SELECT id FROM unnest($1::uuid[]) AS id
   WHERE NOT EXISTS (SELECT FROM job_results WHERE content_id = id)
  ON CONFLICT DO NOTHING`;
