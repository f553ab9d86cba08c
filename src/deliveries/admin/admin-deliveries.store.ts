import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { Endpoint } from '../endpoints/endpoint.entity.js';
import type { EventType } from '../events/event.entity.js';
import type { ShownDelivery, ShownStatus } from '../events/events.store.js';

/** The health of an endpoint. `failing`: its last attempt failed. */
export const ENDPOINT_STATES = ['active', 'failing', 'disabled'] as const;
export type EndpointHealth = (typeof ENDPOINT_STATES)[number];

export interface EndpointSearch {
  readonly service?: string | undefined;
  readonly state?: EndpointHealth | undefined;
}

/** Recent attempts of an endpoint. */
export interface RecentAttempts {
  readonly attempts: number;
  readonly successes: number;
}

export interface EventSearch {
  readonly service?: string | undefined;
  readonly type?: EventType | undefined;
  readonly jobId?: string | undefined;
  /** Only events with a delivery to this endpoint. */
  readonly endpointId?: string | undefined;
  /** Only events with a delivery of this status. */
  readonly status?: ShownStatus | undefined;
}

/** `url` is null if the endpoint was deleted. */
export type AdminDelivery = ShownDelivery & { readonly url: string | null };

export interface AdminEvent {
  readonly id: string;
  readonly service: string;
  readonly type: EventType;
  readonly jobId: string | null;
  /** The endpoint that the event is about. */
  readonly endpointId: string | null;
  readonly createdAt: Date;
  readonly deliveries: readonly AdminDelivery[];
}

/** Events of a service over which attempts are counted. */
const RECENT_EVENTS = 200;

/** Reads of the endpoints and events of all services. */
@Injectable()
export class AdminDeliveriesStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** Up to `limit` endpoints after the endpoint `after`, oldest first. */
  listEndpoints(
    { service, state }: EndpointSearch,
    after: string | undefined,
    limit: number,
  ): Promise<Endpoint[]> {
    const query = this.database
      .createQueryBuilder(Endpoint, 'endpoint')
      .orderBy('endpoint.id', 'ASC')
      .limit(limit);
    if (service !== undefined) query.andWhere('endpoint.service = :service', { service });
    if (after !== undefined) query.andWhere('endpoint.id > :after', { after });
    if (state !== undefined) query.andWhere(STATE_CONDITIONS[state]);
    return query.getMany();
  }

  async countStates(service: string | undefined): Promise<Record<EndpointHealth, number>> {
    const [counts] = await rows<Record<EndpointHealth, number>>(this.database, COUNT_STATES, [
      service ?? null,
    ]);
    return counts ?? { active: 0, failing: 0, disabled: 0 };
  }

  /** The services that have endpoints or events, in alphabetical order. */
  async listServices(): Promise<string[]> {
    const found = await rows<{ service: string }>(this.database, LIST_SERVICES);
    return found.map(({ service }) => service);
  }

  async countRecentAttempts(ids: readonly string[]): Promise<Map<string, RecentAttempts>> {
    const counted = await rows<RecentAttempts & { id: string }>(this.database, RECENT_ATTEMPTS, [
      ids,
      RECENT_EVENTS,
    ]);
    return new Map(counted.map(({ id, ...attempts }) => [id, attempts]));
  }

  /** Disables the endpoint for an admin, also if another reason disabled it before. */
  async disable(manager: EntityManager, id: string): Promise<void> {
    await rows(manager, DISABLE, [id]);
  }

  /** Up to `limit` events before the event `before`, newest first. */
  listEvents(
    { service, type, jobId, endpointId, status }: EventSearch,
    before: string | undefined,
    limit: number,
  ): Promise<AdminEvent[]> {
    const parameters: unknown[] = [limit];
    const parameter = (value: unknown): string => `$${parameters.push(value)}`;
    const conditions: string[] = [];
    if (service !== undefined) conditions.push(`service = ${parameter(service)}`);
    if (type !== undefined) conditions.push(`type = ${parameter(type)}`);
    if (jobId !== undefined) conditions.push(`job_id = ${parameter(jobId)}::uuid`);
    if (before !== undefined) {
      // An index leads through the events of a service by position, and through all events by id.
      conditions.push(
        service === undefined
          ? `event.id < ${parameter(before)}::uuid`
          : `position < (SELECT position FROM events WHERE id = ${parameter(before)}::uuid)`,
      );
    }
    if (endpointId !== undefined || status !== undefined) {
      const delivery = [
        ...(endpointId === undefined ? [] : [`endpoint_id = ${parameter(endpointId)}::uuid`]),
        ...(status === undefined ? [] : [STATUS_CONDITIONS[status]]),
      ];
      conditions.push(
        `EXISTS (SELECT FROM deliveries WHERE event_id = event.id AND ${delivery.join(' AND ')})`,
      );
    }
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const order = service === undefined ? 'event.id' : 'position';
    return rows<AdminEvent>(
      this.database,
      `SELECT ${EVENT_COLUMNS} FROM events AS event ${where} ORDER BY ${order} DESC LIMIT $1`,
      parameters,
    );
  }

  async findEvent(id: string): Promise<AdminEvent | undefined> {
    const [event] = await rows<AdminEvent>(
      this.database,
      `SELECT ${EVENT_COLUMNS} FROM events AS event WHERE id = $1`,
      [id],
    );
    return event;
  }
}

const STATE_CONDITIONS: Readonly<Record<EndpointHealth, string>> = {
  active: 'endpoint.enabled AND endpoint.failing_since IS NULL',
  failing: 'endpoint.enabled AND endpoint.failing_since IS NOT NULL',
  disabled: 'NOT endpoint.enabled',
};

const COUNT_STATES = `
  SELECT ${ENDPOINT_STATES.map((state) => `count(*) FILTER (WHERE ${STATE_CONDITIONS[state]})::integer AS ${state}`).join(', ')}
    FROM endpoints AS endpoint WHERE $1::text IS NULL OR service = $1`;

/** Loose scans of indexes. */
const LIST_SERVICES = `
  WITH RECURSIVE listed AS (
    (SELECT service FROM events ORDER BY service LIMIT 1)
    UNION ALL
    SELECT (SELECT events.service FROM events WHERE events.service > listed.service ORDER BY events.service LIMIT 1)
      FROM listed WHERE listed.service IS NOT NULL)
  SELECT service FROM listed WHERE service IS NOT NULL
  UNION
  SELECT service FROM endpoints ORDER BY service`;

const RECENT_ATTEMPTS = `
  SELECT endpoint.id, coalesce(sum(recent.attempts), 0)::integer AS attempts,
         (count(*) FILTER (WHERE recent.status = 'delivered'))::integer AS successes
    FROM endpoints AS endpoint
    LEFT JOIN LATERAL (
           SELECT delivery.attempts, delivery.status
             FROM (SELECT id FROM events WHERE service = endpoint.service ORDER BY position DESC LIMIT $2) AS event
             JOIN deliveries AS delivery ON delivery.event_id = event.id AND delivery.endpoint_id = endpoint.id) AS recent
      ON true
   WHERE endpoint.id = ANY ($1::uuid[])
   GROUP BY endpoint.id`;

const DISABLE = `
  UPDATE endpoints
     SET enabled = false, disabled_reason = 'admin', disabled_at = coalesce(disabled_at, now()), updated_at = now()
   WHERE id = $1`;

const IS_DELETED = `NOT EXISTS (SELECT FROM endpoints WHERE id = endpoint_id)`;

/** A pending delivery of a deleted endpoint is shown as cancelled. */
const STATUS_CONDITIONS: Readonly<Record<ShownStatus, string>> = {
  pending: `status = 'pending' AND NOT (${IS_DELETED})`,
  cancelled: `status = 'pending' AND ${IS_DELETED}`,
  delivered: `status = 'delivered'`,
  failed: `status = 'failed'`,
};

const ISO = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** A lease moves the time of the next attempt. */
const EVENT_COLUMNS = `
  event.id, event.service, event.type, event.job_id AS "jobId", event.endpoint_id AS "endpointId",
  event.created_at AS "createdAt",
  coalesce((SELECT json_agg(json_build_object(
              'endpointId', delivery.endpoint_id, 'url', endpoint.url, 'attempts', attempts,
              'status', CASE WHEN status = 'pending' AND endpoint.id IS NULL THEN 'cancelled' ELSE status END,
              'nextAttemptAt', CASE WHEN status = 'pending' AND lease IS NULL AND endpoint.enabled
                                    THEN ${ISO('greatest(next_attempt_at, delivery.created_at)')} END,
              'endedAt', ${ISO('ended_at')}) ORDER BY delivery.created_at, delivery.endpoint_id)
      FROM deliveries AS delivery LEFT JOIN endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
     WHERE event_id = event.id), '[]') AS deliveries`;
