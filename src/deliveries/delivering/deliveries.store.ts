import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { Attempt } from './attempt.entity.js';
import { SINGLE_LANE } from './delivery-lane.js';

/** Rows per statement, which keep transactions short. */
const BATCH = 2000;

/** What services and admins read of deliveries, and how they send them again. */
@Injectable()
export class DeliveriesStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** Number of deliveries since `since` that have not been delivered. */
  async countUndelivered(endpointId: string, since: Date): Promise<number> {
    const [counted] = await rows<{ count: number }>(this.database, COUNT, [endpointId, since]);
    return counted?.count ?? 0;
  }

  /** When the oldest event was made whose delivery failed since `since`. */
  async findFirstFailed(endpointId: string, since: Date): Promise<Date | null> {
    const parameters = [endpointId, since];
    const [found] = await rows<{ at: Date | null }>(this.database, FIRST_FAILED, parameters);
    return found?.at ?? null;
  }

  /**
   * Makes the deliveries of the endpoint since `since` due that have not been delivered. Returns how many. Those under way
   * are left alone.
   */
  async recover(endpointId: string, since: Date): Promise<number> {
    const count = await this.countUndelivered(endpointId, since);
    for (const statement of [RECOVER_FAILED, RECOVER_PENDING]) {
      for (;;) {
        const recovered = await rows(this.database, statement, [endpointId, since, BATCH]);
        if (recovered.length < BATCH) break;
      }
    }
    return count;
  }

  /**
   * Makes the event due again for `endpointId`, or for all endpoints that it was for and that are enabled. Returns the ids
   * of the endpoints, with those that get it already. `lane`: of a delivery that has none yet.
   */
  async resend(eventId: string, endpointId: string | null, lane: number): Promise<string[]> {
    const resent = await rows<{ id: string }>(this.database, RESEND, [eventId, endpointId, lane]);
    return resent.map(({ id }) => id);
  }

  /** The first `limit` attempts to deliver the event of the job. */
  listAttemptsOfJob(jobId: string, limit: number): Promise<Attempt[]> {
    return this.database
      .createQueryBuilder(Attempt, 'attempt')
      .where(BY_JOB, { jobId })
      .orderBy('attempt.id', 'ASC')
      .limit(limit)
      .getMany();
  }

  /** Up to `limit` attempts of the event after the attempt `after`, oldest first. */
  listAttempts(eventId: string, after: string, limit: number): Promise<Attempt[]> {
    return this.database
      .createQueryBuilder(Attempt, 'attempt')
      .where('attempt.event_id = :eventId AND attempt.id > :after', { eventId, after })
      .orderBy('attempt.id', 'ASC')
      .limit(limit)
      .getMany();
  }
}

const BY_JOB = 'attempt.event_id IN (SELECT id FROM events WHERE job_id = :jobId)';

const UNDELIVERED_SINCE = (status: string): string => `
  SELECT delivery.event_id, delivery.endpoint_id
    FROM deliveries AS delivery JOIN events ON events.id = delivery.event_id
   WHERE delivery.endpoint_id = $1 AND delivery.status = '${status}' AND events.created_at >= $2`;

const COUNT = `
  SELECT count(*)::integer AS count
    FROM (${UNDELIVERED_SINCE('failed')} UNION ALL ${UNDELIVERED_SINCE('pending')}) AS undelivered`;

/** $2 has lost its microseconds, so it is not after the failure. */
const FIRST_FAILED = `
  SELECT min(events.created_at) AS at
    FROM deliveries AS delivery JOIN events ON events.id = delivery.event_id
   WHERE delivery.endpoint_id = $1 AND delivery.status = 'failed' AND delivery.ended_at >= $2`;

const AGAIN = `status = 'pending', failures = 0, next_attempt_at = now(), ended_at = NULL`;

const RECOVER_FAILED = `
  UPDATE deliveries AS delivery SET ${AGAIN}
   WHERE (event_id, endpoint_id) IN (
           ${UNDELIVERED_SINCE('failed')} ORDER BY delivery.event_id LIMIT $3 FOR NO KEY UPDATE OF delivery SKIP LOCKED)
  RETURNING event_id`;

/** Those that are due already are not written. */
const RECOVER_PENDING = `
  UPDATE deliveries AS delivery SET ${AGAIN}
   WHERE (event_id, endpoint_id) IN (
           ${UNDELIVERED_SINCE('pending')} AND next_attempt_at > now() AND lease IS NULL
           LIMIT $3 FOR NO KEY UPDATE OF delivery SKIP LOCKED)
  RETURNING event_id`;

/** A direct webhook waits for its turn among the others of its lane; an endpoint gets what is resent before all else. */
const RESEND = `
  WITH target AS (
    SELECT id, for_jobs FROM endpoints
     WHERE enabled AND id = $2
    UNION
    SELECT id, for_jobs FROM endpoints JOIN deliveries ON endpoint_id = id
     WHERE enabled AND event_id = $1 AND $2::uuid IS NULL
       AND (NOT for_jobs OR EXISTS (SELECT FROM events AS event JOIN jobs ON jobs.id = event.job_id
                                     WHERE event.id = $1 AND webhook_url IS NOT NULL))),
  event AS MATERIALIZED (
    SELECT id FROM events WHERE id = $1 FOR KEY SHARE),
  due AS (
    INSERT INTO deliveries AS delivery (event_id, endpoint_id, lane, next_attempt_at)
    SELECT event.id, target.id, $3, CASE WHEN for_jobs THEN now() ELSE now() - interval '7 days' END
      FROM target, event ORDER BY target.id
    ON CONFLICT (event_id, endpoint_id) DO UPDATE
      SET status = 'pending', failures = 0, ended_at = NULL,
          lane = CASE WHEN delivery.lane = ${SINGLE_LANE} THEN excluded.lane ELSE delivery.lane END,
          next_attempt_at = least(delivery.next_attempt_at, excluded.next_attempt_at)
    WHERE delivery.lease IS NULL),
  closed AS (
    UPDATE endpoints SET paused_until = NULL WHERE paused_until IS NOT NULL AND id IN (SELECT id FROM target))
  SELECT id FROM target`;
