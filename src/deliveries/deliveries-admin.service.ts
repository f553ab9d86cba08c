import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { validate as isUuid } from 'uuid';
import { GatewayError } from '../platform/errors/error-codes.js';
import {
  AdminDeliveriesStore,
  type EndpointHealth,
  type EndpointSearch,
  type RecentEvents,
} from './admin/admin-deliveries.store.js';
import {
  UnhealthyEndpointsStore,
  type Unhealthy,
  type UnhealthyEndpoints,
} from './admin/unhealthy-endpoints.store.js';
import type { Endpoint } from './endpoints/endpoint.entity.js';
import { EndpointsStore, type Backlog } from './endpoints/endpoints.store.js';
import {
  EventsStore,
  type EventFilter,
  type EventPage,
  type ShownEvent,
} from './events/events.store.js';

export {
  DISABLED_REASONS,
  overlapEndOf,
  PAYLOAD_FORMATS,
  type DisabledReason,
  type PayloadFormat,
} from './endpoints/endpoint.entity.js';
export { EVENT_TYPES, type EventType } from './events/event.entity.js';
export {
  MAX_EXAMINED,
  SHOWN_STATUSES,
  type EventPage,
  type ShownDelivery,
  type ShownEvent,
  type ShownStatus,
} from './events/events.store.js';
export { ENDPOINT_STATES } from './admin/admin-deliveries.store.js';
export type { EndpointHealth, EndpointSearch } from './admin/admin-deliveries.store.js';
export type { Unhealthy, UnhealthyEndpoints } from './admin/unhealthy-endpoints.store.js';

export interface EventSearch extends EventFilter {
  readonly service?: string | undefined;
}

/** An endpoint of any service with its health. */
export interface AdminEndpoint {
  readonly endpoint: Endpoint;
  readonly state: EndpointHealth;
  readonly backlog: Backlog;
  readonly recent: RecentEvents;
}

/** What admins read of the endpoints and events of all services. */
@Injectable()
export class DeliveriesAdminService {
  constructor(
    private readonly store: AdminDeliveriesStore,
    private readonly endpoints: EndpointsStore,
    private readonly events: EventsStore,
    private readonly unhealthy: UnhealthyEndpointsStore,
  ) {}

  /** Up to `limit` endpoints after the endpoint `after`, oldest first. */
  async listEndpoints(
    search: EndpointSearch,
    after: string | undefined,
    limit: number,
  ): Promise<AdminEndpoint[]> {
    return this.withHealth(await this.store.listEndpoints(search, after, limit));
  }

  /** Throws `endpoint_not_found`. */
  async getEndpoint(id: string): Promise<AdminEndpoint> {
    const found = isUuid(id) ? await this.endpoints.find(null, id) : null;
    const [endpoint] = await this.withHealth(found === null ? [] : [found]);
    if (endpoint === undefined) throw new GatewayError('endpoint_not_found');
    return endpoint;
  }

  countStates(service: string | undefined): Promise<Record<EndpointHealth, number>> {
    return this.store.countStates(service);
  }

  listServices(): Promise<string[]> {
    return this.store.listServices();
  }

  /** Disables the endpoint for an admin, also if another reason disabled it before. */
  disable(manager: EntityManager, id: string): Promise<void> {
    return this.store.disable(manager, id);
  }

  /** Up to `limit` events before the id `before`, newest first. */
  listEvents(
    { service, ...filter }: EventSearch,
    before: string | undefined,
    limit: number,
  ): Promise<EventPage> {
    return this.events.list(service ?? null, filter, { before }, limit);
  }

  /** Throws `event_not_found`. */
  async getEvent(id: string): Promise<ShownEvent> {
    const event = isUuid(id) ? await this.events.find(null, id) : undefined;
    if (event === undefined) throw new GatewayError('event_not_found');
    return event;
  }

  findUnhealthy(kind: Unhealthy): Promise<UnhealthyEndpoints> {
    return this.unhealthy.find(kind);
  }

  private async withHealth(endpoints: readonly Endpoint[]): Promise<AdminEndpoint[]> {
    const ids = endpoints.map(({ id }) => id);
    const [backlogs, recent] = await Promise.all([
      this.endpoints.countBacklogs(ids),
      this.store.countRecentEvents(ids),
    ]);
    return endpoints.map((endpoint) => ({
      endpoint,
      state: healthOf(endpoint),
      backlog: backlogs.get(endpoint.id) ?? { pending: 0, failed: 0 },
      recent: recent.get(endpoint.id) ?? { sent: 0, delivered: 0 },
    }));
  }
}

function healthOf({ enabled, failingSince }: Endpoint): EndpointHealth {
  if (!enabled) return 'disabled';
  return failingSince === null ? 'active' : 'failing';
}

/** The URL of an endpoint without its query, which may hold a secret. */
export function shownUrl(url: string): string {
  const { origin, pathname, search } = new URL(url);
  return `${origin}${pathname}${search === '' ? '' : '?[redacted]'}`;
}
