import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { MAX_POLL_EVENTS } from '../timeline/job-event.entity.js';

/** A submitted job that is due by its schedule alone. */
export interface DueJob {
  readonly id: string;
  readonly upstreamId: string;
  readonly polls: number;
  readonly ageSeconds: number;
  readonly sinceSubmitSeconds: number;
}

/**
 * All SQL of the bulk status check. It leases nothing, so that a callback never waits for it; its writes apply to
 * jobs that are still due by their schedule alone.
 */
@Injectable()
export class DueJobsStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** The longest due first; those past `maxAgeSeconds` are left to the polls. */
  findDue(limit: number, maxAgeSeconds: number): Promise<DueJob[]> {
    return rows<DueJob>(this.database, FIND_DUE, [limit, maxAgeSeconds]);
  }

  /**
   * Reschedules the poll of each of `ids` by its entry of `seconds`, and records it in the timeline. Returns how
   * many.
   */
  async reschedule(ids: readonly string[], seconds: readonly number[]): Promise<number> {
    return (await rows(this.database, RESCHEDULE_OPEN, [ids, seconds])).length;
  }

  /** Has `ids` polled before jobs that are due by their schedule alone. Returns how many. */
  async requestPolls(ids: readonly string[]): Promise<number> {
    return (await rows(this.database, REQUEST_POLLS, [ids])).length;
  }
}

const STILL_DUE = `status = 'submitted' AND lease IS NULL AND NOT poll_requested AND next_check_at <= now()`;

export const FIND_DUE = `
  SELECT id, upstream_id AS "upstreamId", polls,
         extract(epoch FROM now() - created_at)::double precision AS "ageSeconds",
         coalesce(extract(epoch FROM now() - submitted_at), 0)::double precision AS "sinceSubmitSeconds"
    FROM jobs
   WHERE ${STILL_DUE} AND callback_received_at IS NULL AND cancel_requested_at IS NULL
     AND missing_since IS NULL AND unusable_since IS NULL AND result_missing_since IS NULL
     AND created_at > now() - make_interval(secs => $2)
   ORDER BY next_check_at
   LIMIT $1`;

/** In the order in which callbacks lock them, without those that a callback locks now. */
const LOCKED = `
  locked AS (
    SELECT id FROM jobs WHERE id = ANY ($1::uuid[]) AND ${STILL_DUE} ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)`;

export const RESCHEDULE_OPEN = `
  WITH ${LOCKED},
  rescheduled AS (
    UPDATE jobs
       SET polls = polls + 1, deferral_reason = NULL, deferred_until = NULL,
           next_check_at = now() + make_interval(secs => listed.seconds)
      FROM locked JOIN unnest($1::uuid[], $2::double precision[]) AS listed (id, seconds) USING (id)
     WHERE jobs.id = locked.id
    RETURNING jobs.id, listed.seconds, jobs.polls),
  event AS (
    INSERT INTO job_events (job_id, type, detail)
    SELECT id, 'polled', jsonb_build_object('answer', 'open', 'via', 'listing',
                                            'nextPollInSeconds', round(seconds::numeric))
      FROM rescheduled WHERE polls <= ${MAX_POLL_EVENTS})
  SELECT id AS job_id FROM rescheduled`;

export const REQUEST_POLLS = `
  WITH ${LOCKED}
  UPDATE jobs SET poll_requested = true FROM locked WHERE jobs.id = locked.id RETURNING jobs.id`;
