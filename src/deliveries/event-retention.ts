import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
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
    // The ids are UUIDv7 by the clock of the database.
    const before = uuidv7({
      msecs: now.getTime() - days * DAY_MILLISECONDS,
      random: new Uint8Array(16),
    });
    return (await rows(manager, DELETE_EVENTS, [before, limit])).length;
  }
}

/** Arrays prevent joins with whole tables. */
export const DELETE_EVENTS = `
  WITH old AS (
    SELECT id FROM events WHERE id < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED),
  attempt AS (
    DELETE FROM delivery_attempts WHERE event_id = ANY (ARRAY(SELECT id FROM old))),
  delivery AS (
    DELETE FROM deliveries WHERE event_id = ANY (ARRAY(SELECT id FROM old)))
  DELETE FROM events WHERE id = ANY (ARRAY(SELECT id FROM old))
  RETURNING id`;
