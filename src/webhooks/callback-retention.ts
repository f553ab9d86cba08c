import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { JobRetentionService } from '../jobs/job-retention.service.js';
import { rows } from '../platform/database/sql.js';

/** Removes accepted callbacks that are old. */
@Injectable()
export class CallbackRetention {
  constructor(private readonly jobs: JobRetentionService) {}

  /**
   * One step: up to `limit` callbacks that first came more than `days` ago, and whose jobs have ended or are gone.
   * One that came just when its job was removed has left an entry in a timeline without a job, which goes with
   * it. Returns how many.
   */
  async deleteCallbacks(manager: EntityManager, days: number, limit: number): Promise<number> {
    const removed = await rows<{ jobId: string }>(manager, DELETE_CALLBACKS, [days, limit]);
    if (removed.length > 0) {
      await this.jobs.deleteTraceContexts(manager, [...new Set(removed.map(({ jobId }) => jobId))]);
    }
    return removed.length;
  }
}

/** A subquery for a value is asked row by row; of NOT EXISTS, PostgreSQL makes a join with all jobs. */
export const DELETE_CALLBACKS = `
  DELETE FROM callbacks
   WHERE id = ANY (ARRAY(
     SELECT id FROM callbacks AS callback
      WHERE received_at < now() - make_interval(days => $1)
        AND (SELECT ended_at IS NULL FROM jobs WHERE id = callback.job_id) IS NOT TRUE
      ORDER BY received_at LIMIT $2
        FOR UPDATE SKIP LOCKED))
  RETURNING job_id AS "jobId"`;
