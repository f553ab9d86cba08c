import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Settings } from '../../platform/config/settings.js';
import { preparedRows } from '../../platform/database/sql.js';
import { bodyOf } from './fan-out.store.js';

/** A deleted job, with whether its event still waits for a delivery. */
export interface CheckedJob {
  readonly jobId: string;
  readonly waits: boolean;
  /** No delivery of the event may be sent again. */
  readonly isDelivered: boolean;
}

/** A job whose event waits is checked again after a quarter of the time since its deletion, and not before this. */
const MIN_DEFERRAL_SECONDS = 10;

/** Erases what events have of deleted jobs. */
@Injectable()
export class EventErasureStore {
  private readonly apiUrl: string;

  constructor(settings: Settings) {
    this.apiUrl = JSON.stringify(settings.apiUrl).slice(1, -1);
  }

  /** Checks up to `limit` jobs that are due, and defers those whose events wait. */
  checkDue(manager: EntityManager, limit: number): Promise<CheckedJob[]> {
    return preparedRows<CheckedJob>(manager, CHECK_DUE, [limit, MIN_DEFERRAL_SECONDS]);
  }

  /** The rows of the jobs have nothing to erase any more. */
  async eraseEvents(manager: EntityManager, jobIds: readonly string[]): Promise<void> {
    await preparedRows(manager, ERASE_EVENTS, [jobIds, this.apiUrl]);
  }
}

/** A delivery to a disabled endpoint may wait for weeks, and is then sent without the data. */
const CHECK_DUE = {
  name: 'event-erasures-check',
  text: `
  WITH due AS MATERIALIZED (
    SELECT job_id, created_at FROM event_erasures
     WHERE next_check_at <= now()
     ORDER BY next_check_at LIMIT (SELECT $1::integer)
       FOR UPDATE SKIP LOCKED),
  checked AS MATERIALIZED (
    SELECT due.job_id, due.created_at,
           EXISTS (SELECT FROM event_outbox WHERE event_outbox.job_id = due.job_id)
             OR EXISTS (SELECT FROM deliveries JOIN endpoints ON endpoints.id = deliveries.endpoint_id AND enabled
                         WHERE event_id = event.id AND status = 'pending') AS waits,
           NOT EXISTS (SELECT FROM deliveries WHERE event_id = event.id AND status <> 'delivered') AS is_delivered
      FROM due LEFT JOIN events AS event ON event.job_id = due.job_id),
  deferred AS (
    UPDATE event_erasures AS erasure
       SET next_check_at = now() + greatest(make_interval(secs => $2), (now() - checked.created_at) / 4)
      FROM checked
     WHERE waits AND erasure.job_id = checked.job_id)
  SELECT job_id AS "jobId", waits, is_delivered AS "isDelivered" FROM checked`,
};

/** The event is locked before its attempts, as by retention. */
const ERASE_EVENTS = {
  name: 'event-erasures-erase',
  text: `
  WITH ended AS MATERIALIZED (
    SELECT event.id AS event_id, jobs.id, jobs.type, status, jobs.metadata, jobs.error, ended_at
      FROM jobs JOIN events AS event ON event.job_id = jobs.id
     WHERE jobs.id = ANY ((SELECT $1::uuid[])::uuid[])
     ORDER BY event.id
       FOR NO KEY UPDATE OF event),
  erased AS (
    UPDATE events SET body = made.body
      FROM (SELECT event_id, ${bodyOf('$2')} AS body FROM ended) AS made
     WHERE events.id = made.event_id),
  answers AS (
    UPDATE delivery_attempts SET response_headers = NULL, response_body = NULL
     WHERE event_id = ANY (ARRAY(SELECT event_id FROM ended)))
  DELETE FROM event_erasures WHERE job_id = ANY ((SELECT $1::uuid[])::uuid[])`,
};
