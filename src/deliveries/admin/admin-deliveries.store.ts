import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { Endpoint } from '../endpoints/endpoint.entity.js';

/** The health of an endpoint. `failing`: its last attempt failed. */
export const ENDPOINT_STATES = ['active', 'failing', 'disabled'] as const;
export type EndpointHealth = (typeof ENDPOINT_STATES)[number];

export interface EndpointSearch {
  readonly service?: string | undefined;
  readonly state?: EndpointHealth | undefined;
}

/** The recent events that were sent to an endpoint, once or often. */
export interface RecentEvents {
  readonly sent: number;
  readonly delivered: number;
}

/** Events of a service among which they are counted. */
const RECENT_EVENTS = 200;

/** Reads of the endpoints of all services. */
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

  async countRecentEvents(ids: readonly string[]): Promise<Map<string, RecentEvents>> {
    const counted = await rows<RecentEvents & { id: string }>(this.database, COUNT_RECENT, [
      ids,
      RECENT_EVENTS,
    ]);
    return new Map(counted.map(({ id, ...recent }) => [id, recent]));
  }

  /** Disables the endpoint for an admin, also if another reason disabled it before. */
  async disable(manager: EntityManager, id: string): Promise<void> {
    await rows(manager, DISABLE, [id]);
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

const COUNT_RECENT = `
  SELECT endpoint.id, (count(*) FILTER (WHERE recent.attempts > 0))::integer AS sent,
         (count(*) FILTER (WHERE recent.status = 'delivered'))::integer AS delivered
    FROM endpoints AS endpoint
    LEFT JOIN LATERAL (
           SELECT delivery.attempts, delivery.status
             FROM (SELECT id FROM events WHERE service = endpoint.service ORDER BY id DESC LIMIT $2) AS event
             JOIN deliveries AS delivery ON delivery.event_id = event.id AND delivery.endpoint_id = endpoint.id) AS recent
      ON true
   WHERE endpoint.id = ANY ($1::uuid[])
   GROUP BY endpoint.id`;

const DISABLE = `
  UPDATE endpoints
     SET enabled = false, disabled_reason = 'admin', disabled_at = coalesce(disabled_at, now()), updated_at = now()
   WHERE id = $1`;
