import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { hasOpenWebhook } from '../jobs/job-ends.js';
import { rows } from '../platform/database/sql.js';

const DAY_MILLISECONDS = 86_400_000;

/** Deletes events after their retention, and endpoints of direct webhooks that nothing needs any more. */
@Injectable()
export class EventRetention {
  /**
   * Deletes up to `limit` events older than `days` with their deliveries and attempts, and returns the count. `now` is the
   * database’s time.
   */
  async deleteEvents(
    manager: EntityManager,
    days: number,
    now: Date,
    limit: number,
  ): Promise<number> {
    const before = new Date(now.getTime() - days * DAY_MILLISECONDS);
    return (await rows(manager, DELETE_EVENTS, [before, limit])).length;
  }

  /**
   * Deletes up to `limit` endpoints of direct webhooks that have had no delivery for `days`, are named by no open job, and were
   * never changed. A fan-out makes one again that it needs, so that jobs which are accepted meanwhile lose nothing.
   */
  async deleteOrigins(
    manager: EntityManager,
    days: number,
    now: Date,
    limit: number,
  ): Promise<number> {
    const before = new Date(now.getTime() - days * DAY_MILLISECONDS);
    const unused = await rows<{ id: string }>(manager, LOCK_UNUSED, [before, limit]);
    if (unused.length === 0) return 0;
    // A statement of its own: its snapshot has the deliveries of those who had locked them.
    return (await rows(manager, DELETE_UNUSED, [before, unused.map(({ id }) => id)])).length;
  }
}

/**
 * The ids increase also while the clock is behind them, so they do not say the age. Arrays prevent joins with whole tables.
 */
export const DELETE_EVENTS = `
  WITH old AS (
    SELECT id FROM events
     WHERE id = ANY (ARRAY(SELECT id FROM events ORDER BY id LIMIT $2)) AND created_at < $1
       FOR UPDATE SKIP LOCKED),
  attempt AS (
    DELETE FROM delivery_attempts WHERE event_id = ANY (ARRAY(SELECT id FROM old))),
  delivery AS (
    DELETE FROM deliveries WHERE event_id = ANY (ARRAY(SELECT id FROM old)))
  DELETE FROM events WHERE id = ANY (ARRAY(SELECT id FROM old))
  RETURNING id`;

/**
 * The time of the last success is up to 10 s old, so a delivery within `days` shows there, or has not succeeded. Nobody knows the
 * secret of an endpoint that was never changed.
 */
const UNUSED = `
  for_jobs AND updated_at = created_at AND created_at < $1
   AND coalesce(last_success_at < $1::timestamptz - interval '1 minute', true)
   AND NOT EXISTS (SELECT FROM deliveries WHERE endpoint_id = endpoints.id AND status = 'pending')
   AND NOT EXISTS (SELECT FROM deliveries WHERE endpoint_id = endpoints.id AND status = 'failed')
   AND NOT ${hasOpenWebhook('endpoints.service', 'endpoints.url')}`;

export const LOCK_UNUSED = `
  SELECT id FROM endpoints WHERE ${UNUSED} ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED`;

const DELETE_UNUSED = `
  DELETE FROM endpoints WHERE ${UNUSED} AND id = ANY ($2::uuid[]) RETURNING id`;
