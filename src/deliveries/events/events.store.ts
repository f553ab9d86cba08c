import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { DELIVERY_STATUSES } from '../delivering/delivery.entity.js';
import type { Owner } from '../endpoints/endpoints.store.js';
import type { EventType } from './event.entity.js';

/** `cancelled`: the endpoint was deleted before the event was delivered. */
export const SHOWN_STATUSES = [...DELIVERY_STATUSES, 'cancelled'] as const;
export type ShownStatus = (typeof SHOWN_STATUSES)[number];

/** A delivery as services and admins see it. Times are ISO 8601. */
export interface ShownDelivery {
  readonly endpointId: string;
  readonly status: ShownStatus;
  readonly attempts: number;
  readonly nextAttemptAt: string | null;
  readonly endedAt: string | null;
}

export interface ShownEvent {
  readonly id: string;
  readonly service: string;
  readonly type: EventType;
  readonly jobId: string | null;
  readonly endpointId: string | null;
  readonly createdAt: Date;
  readonly deliveries: readonly ShownDelivery[];
}

export interface EventFilter {
  readonly type?: EventType | undefined;
  readonly jobId?: string | undefined;
  /** Only events with a delivery to this endpoint. */
  readonly endpointId?: string | undefined;
  /** Only events with a delivery of this status. */
  readonly status?: ShownStatus | undefined;
}

/** A page: newest first, from before the event `before`; or oldest first, from after the event `after` (`0`: from the first). */
export type Page = { readonly before?: string | undefined } | { readonly after: string };

/** Reads of events. */
@Injectable()
export class EventsStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** Events of all services are in the order of their ids, those of one service in the order of the feed. */
  list(owner: Owner, filter: EventFilter, page: Page, limit: number): Promise<ShownEvent[]> {
    const parameters: unknown[] = [limit];
    const parameter = (value: unknown): string => `$${parameters.push(value)}`;
    const conditions: string[] = [];
    const own = owner === null ? undefined : `service = ${parameter(owner)}`;
    if (own !== undefined) conditions.push(own);
    const order = own === undefined ? 'id' : 'position';
    const placeOf = (id: string): string =>
      own === undefined
        ? `${parameter(id)}::uuid`
        : `(SELECT position FROM events WHERE id = ${parameter(id)}::uuid AND ${own})`;
    const isFeed = 'after' in page;
    if (isFeed && page.after !== '0') {
      // Retention deletes the oldest events first: after one that is gone, all that are left follow.
      const first = own === undefined ? NIL : '0';
      conditions.push(`${order} > coalesce(${placeOf(page.after)}, ${first})`);
    }
    if (!isFeed && page.before !== undefined) {
      conditions.push(`${order} < ${placeOf(page.before)}`);
    }
    if (filter.type !== undefined) conditions.push(`type = ${parameter(filter.type)}`);
    if (filter.jobId !== undefined) conditions.push(`job_id = ${parameter(filter.jobId)}::uuid`);
    const { endpointId, status } = filter;
    if (endpointId !== undefined || status !== undefined) {
      const ofEndpoint =
        endpointId === undefined
          ? ''
          : `AND deliveries.endpoint_id = ${parameter(endpointId)}::uuid`;
      const ofStatus = status === undefined ? '' : `AND ${STATUS} = ${parameter(status)}`;
      conditions.push(`EXISTS (
        SELECT FROM deliveries LEFT JOIN endpoints ON endpoints.id = deliveries.endpoint_id
         WHERE event_id = event.id ${ofEndpoint} ${ofStatus})`);
    }
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    return rows<ShownEvent>(
      this.database,
      `SELECT ${COLUMNS} FROM events AS event ${where}
        ORDER BY ${order} ${isFeed ? 'ASC' : 'DESC'} LIMIT $1`,
      parameters,
    );
  }

  async find(owner: Owner, id: string): Promise<(ShownEvent & { body: string }) | undefined> {
    const [event] = await rows<ShownEvent & { body: string }>(this.database, FIND, [id, owner]);
    return event;
  }

  async findByJob(jobId: string): Promise<ShownEvent | undefined> {
    const [event] = await rows<ShownEvent>(this.database, FIND_BY_JOB, [jobId]);
    return event;
  }
}

const NIL = `'00000000-0000-0000-0000-000000000000'::uuid`;

const STATUS = `
  CASE WHEN deliveries.status = 'pending' AND endpoints.id IS NULL THEN 'cancelled' ELSE deliveries.status END`;

const ISO = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** A lease moves the time of the next attempt. */
const COLUMNS = `
  event.id, event.service, event.type, event.job_id AS "jobId", event.endpoint_id AS "endpointId",
  event.created_at AS "createdAt",
  coalesce((SELECT json_agg(json_build_object(
              'endpointId', deliveries.endpoint_id, 'status', ${STATUS}, 'attempts', attempts,
              'nextAttemptAt', CASE WHEN deliveries.status = 'pending' AND lease IS NULL AND endpoints.id IS NOT NULL
                                    THEN ${ISO('greatest(next_attempt_at, deliveries.created_at)')} END,
              'endedAt', ${ISO('ended_at')}) ORDER BY deliveries.created_at, deliveries.endpoint_id)
      FROM deliveries LEFT JOIN endpoints ON endpoints.id = deliveries.endpoint_id
     WHERE event_id = event.id), '[]') AS deliveries`;

const FIND = `
  SELECT ${COLUMNS}, body FROM events AS event WHERE id = $1 AND ($2::text IS NULL OR service = $2)`;

const FIND_BY_JOB = `SELECT ${COLUMNS} FROM events AS event WHERE job_id = $1`;
