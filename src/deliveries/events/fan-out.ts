import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Transactions } from '../../platform/database/transactions.js';
import { Notifications } from '../../platform/work/notifications.js';
import { SINGLE_LANE } from '../delivering/delivery-lane.js';
import { EndpointsStore } from '../endpoints/endpoints.store.js';
import { JobEndpoints } from '../endpoints/job-endpoints.js';
import { matchEndpoints, type NewEvent } from './event-matching.js';
import { EVENTS_STORED, FanOutStore, type EndpointEvent, type FannedOut } from './fan-out.store.js';

/** Topic that announces due deliveries. */
export const DELIVERIES_DUE = 'deliveries_due';

/** Makes events with their deliveries, each in one transaction. */
@Injectable()
export class FanOut {
  constructor(
    private readonly store: FanOutStore,
    private readonly endpoints: EndpointsStore,
    private readonly jobEndpoints: JobEndpoints,
    private readonly transactions: Transactions,
    private readonly notifications: Notifications,
  ) {}

  /**
   * Makes the events of up to `limit` jobs that ended with ids above `from`. Returns how many it took from the outbox, and
   * the greatest of their ids.
   */
  async fanOutEnds(
    limit: number,
    skipped: readonly string[],
    from: string,
  ): Promise<Pick<FannedOut, 'taken' | 'last'>> {
    const { taken, last, services, deliveries } = await this.transactions.run(async (manager) => {
      const made = await this.store.insertEvents(manager, limit, skipped, from);
      return { ...made, deliveries: await this.insertMatches(manager, made.events) };
    });
    this.notifications.deliver(EVENTS_STORED, services);
    if (deliveries > 0) this.notifications.send(DELIVERIES_DUE);
    return { taken, last };
  }

  /** Makes an event about an endpoint for the other endpoints of its service. Call `announce` after the commit. */
  async addEndpointEvent(manager: EntityManager, event: EndpointEvent): Promise<string> {
    const made = await this.store.insertEndpointEvent(manager, event);
    await this.insertMatches(manager, [made]);
    return made.id;
  }

  /** Makes an event that only its endpoint gets, before all others. */
  async addTestEvent(event: EndpointEvent): Promise<string> {
    const id = await this.transactions.run(async (manager) => {
      const made = await this.store.insertEndpointEvent(manager, event);
      const match = { eventId: made.id, endpointId: event.endpointId, lane: SINGLE_LANE };
      await this.store.insertDeliveries(manager, [match], true);
      return made.id;
    });
    this.announce(event.service);
    return id;
  }

  announce(service: string): void {
    this.notifications.deliver(EVENTS_STORED, [service]);
    this.notifications.send(DELIVERIES_DUE);
  }

  /** Returns the number of deliveries. */
  private async insertMatches(
    manager: EntityManager,
    events: readonly NewEvent[],
  ): Promise<number> {
    if (events.length === 0) return 0;
    const services = [...new Set(events.map(({ service }) => service))];
    const webhooks = events.flatMap(({ service, job }) =>
      typeof job?.webhookUrl === 'string' ? [{ service, webhookUrl: job.webhookUrl }] : [],
    );
    const filters = [
      ...(await this.endpoints.listFilters(manager, services)),
      ...(await this.jobEndpoints.lock(manager, webhooks)),
    ];
    const matches = matchEndpoints(events, filters);
    if (matches.length > 0) await this.store.insertDeliveries(manager, matches);
    return matches.length;
  }
}
