import { Injectable } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import { GatewayError } from '../platform/errors/error-codes.js';
import { Notifications } from '../platform/work/notifications.js';
import type { Attempt } from './delivering/attempt.entity.js';
import { DeliveriesStore } from './delivering/deliveries.store.js';
import { retryLaneOf, SINGLE_LANE } from './delivering/delivery-lane.js';
import type { Endpoint } from './endpoints/endpoint.entity.js';
import { EndpointsStore, type Owner } from './endpoints/endpoints.store.js';
import { matchEndpoints } from './events/event-matching.js';
import {
  EventsStore,
  type EventFilter,
  type EventPage,
  type Page,
  type ShownEvent,
} from './events/events.store.js';
import { DELIVERIES_DUE } from './events/fan-out.js';
import { FeedRequests } from './events/feed-requests.js';

export type {
  EventFilter,
  EventPage,
  Page,
  ShownDelivery,
  ShownEvent,
} from './events/events.store.js';
export type { Attempt } from './delivering/attempt.entity.js';

/** How long a request may wait for the next event. */
export interface FeedWait {
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/**
 * Events and their deliveries. `owner` is the service whose events exist for the caller; null for admins: all. Events of
 * other services throw `event_not_found`.
 */
@Injectable()
export class EventsService {
  constructor(
    private readonly events: EventsStore,
    private readonly deliveries: DeliveriesStore,
    private readonly endpoints: EndpointsStore,
    private readonly feed: FeedRequests,
    private readonly notifications: Notifications,
  ) {}

  list(owner: Owner, filter: EventFilter, page: Page, limit: number): Promise<EventPage> {
    return this.events.list(owner, filter, page, limit);
  }

  /**
   * The events of `service` after the id `after` (`0`: all), oldest first. Without one it examines the next ones, and waits
   * for more.
   */
  readFeed(
    service: string,
    filter: EventFilter,
    after: string,
    limit: number,
    { seconds, signal }: FeedWait,
  ): Promise<EventPage> {
    let examined = after;
    return this.feed.readUntilEvent(service, seconds, signal, async () => {
      const page = await this.events.list(service, filter, { after: examined }, limit);
      examined = page.next ?? examined;
      return page;
    });
  }

  /** With its body: JSON text. */
  async get(owner: Owner, id: string): Promise<ShownEvent & { readonly body: string }> {
    const event = isUuid(id) ? await this.events.find(owner, id) : undefined;
    if (event === undefined) throw new GatewayError('event_not_found');
    return event;
  }

  /** Up to `limit` attempts after the attempt `after`, oldest first. */
  async listAttempts(
    owner: Owner,
    id: string,
    after: string | undefined,
    limit: number,
  ): Promise<Attempt[]> {
    const event = await this.get(owner, id);
    return this.deliveries.listAttempts(event.id, after ?? '0', limit);
  }

  /**
   * Sends the event again, with the same id: to `endpointId`, or to all enabled endpoints that it was for. Returns the ids of
   * the endpoints. Throws `endpoint_not_found`, `event_not_for_endpoint`, or `endpoint_disabled`.
   */
  async resend(owner: Owner, id: string, endpointId: string | null): Promise<string[]> {
    const event = await this.get(owner, id);
    let lane: number | undefined = SINGLE_LANE;
    if (endpointId !== null) {
      const endpoint = isUuid(endpointId)
        ? await this.endpoints.find(event.service, endpointId)
        : null;
      if (endpoint === null) throw new GatewayError('endpoint_not_found');
      lane = await this.findLane(event, endpoint);
      if (lane === undefined) {
        throw new GatewayError(
          'event_not_for_endpoint',
          endpoint.forJobs
            ? 'It gets only the events of jobs that name a webhook there.'
            : 'Its filters exclude the event.',
        );
      }
      if (!endpoint.enabled) throw new GatewayError('endpoint_disabled', 'Enable it first.');
    }
    const resent = await this.deliveries.resend(event.id, endpointId, retryLaneOf(lane));
    this.notifications.send(DELIVERIES_DUE);
    return resent;
  }

  /**
   * The lane of the delivery; undefined if the event is not for the endpoint. One that was made later gets what it would have
   * got. The URL of a direct webhook is deleted with its job.
   */
  private async findLane(event: ShownEvent, endpoint: Endpoint): Promise<number | undefined> {
    const hasIt = event.deliveries.some(({ endpointId }) => endpointId === endpoint.id);
    if (hasIt && !endpoint.forJobs) return SINGLE_LANE;
    const made = await this.events.findForMatching(event.id);
    return made === undefined ? undefined : matchEndpoints([made], [endpoint])[0]?.lane;
  }
}
