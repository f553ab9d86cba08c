import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { JobRetentionService } from '../jobs/job-retention.service.js';
import { rows } from '../platform/database/sql.js';

/** Deletes accepted callbacks after their retention. */
@Injectable()
export class CallbackRetention {
  constructor(private readonly jobs: JobRetentionService) {}

  /**
   * Deletes up to `limit` callbacks older than `days` whose jobs have ended or were deleted, and returns the count.
   * A callback that arrived while its job was deleted has left timeline entries, which are deleted with it.
   */
  async deleteCallbacks(manager: EntityManager, days: number, limit: number): Promise<number> {
    const removed = await rows<{ jobId: string }>(manager, DELETE_CALLBACKS, [days, limit]);
    if (removed.length > 0) {
      await this.jobs.deleteTraceContexts(manager, [...new Set(removed.map(({ jobId }) => jobId))]);
    }
    return removed.length;
  }
}

/** The scalar subquery is evaluated per row; PostgreSQL plans NOT EXISTS as a join with all jobs. */
export const DELETE_CALLBACKS = `
  DELETE FROM callbacks
   WHERE id = ANY (ARRAY(
     SELECT id FROM callbacks AS callback
      WHERE received_at < now() - make_interval(days => $1)
        AND (SELECT ended_at IS NULL FROM jobs WHERE id = callback.job_id) IS NOT TRUE
      ORDER BY received_at LIMIT $2
        FOR UPDATE SKIP LOCKED))
  RETURNING job_id AS "jobId"`;
