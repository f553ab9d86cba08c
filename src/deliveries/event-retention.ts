import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';

const DAY_MILLISECONDS = 86_400_000;

/** Deletes events after their retention. */
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
