import { Injectable } from '@nestjs/common';
import {
  DeliveriesAdminService,
  type AdminEndpoint,
} from '../deliveries/deliveries-admin.service.js';
import { EndpointsService } from '../deliveries/endpoints.service.js';
import { EventsService } from '../deliveries/events.service.js';
import type { Actor } from '../audit/audit-entry.js';
import { AdminActions } from './admin-actions.js';

/** Admin actions on endpoints and events of any service, recorded in the audit. */
@Injectable()
export class AdminDeliveries {
  constructor(
    private readonly reads: DeliveriesAdminService,
    private readonly endpoints: EndpointsService,
    private readonly events: EventsService,
    private readonly actions: AdminActions,
  ) {}

  /** Also sends what the endpoint has missed. Throws `endpoint_not_found`. */
  async enable(actor: Actor, id: string): Promise<AdminEndpoint> {
    const found = await this.reads.getEndpoint(id);
    await this.actions.run(actor, 'endpoint.enable', identifiersOf(found), async () => ({
      result: await this.endpoints.update(null, id, { enabled: true }),
    }));
    return this.reads.getEndpoint(id);
  }

  /** Its events are kept. Throws `endpoint_not_found`. */
  async disable(actor: Actor, id: string): Promise<AdminEndpoint> {
    const found = await this.reads.getEndpoint(id);
    await this.actions.transact(
      actor,
      'endpoint.disable',
      identifiersOf(found),
      async (manager) => ({ result: await this.reads.disable(manager, found.endpoint.id) }),
    );
    return this.reads.getEndpoint(id);
  }

  /** Returns the number of deliveries that would be sent again. Throws `endpoint_not_found`. */
  countRecoverable(id: string, since: Date): Promise<number> {
    return this.endpoints.recover(null, id, since, true);
  }

  /** Enables the endpoint, and sends again what it has not received since `since`. Returns the number of deliveries. */
  async recover(actor: Actor, id: string, since: Date): Promise<number> {
    const found = await this.reads.getEndpoint(id);
    const intent = { ...identifiersOf(found), since };
    return this.actions.run(actor, 'endpoint.recover', intent, async () => {
      const deliveries = await this.endpoints.recover(null, id, since, false);
      return { result: deliveries, detail: { deliveries } };
    });
  }

  /** Sends a test event, and returns its id. Throws `endpoint_not_found` or `endpoint_disabled`. */
  async test(actor: Actor, id: string): Promise<string> {
    const found = await this.reads.getEndpoint(id);
    return this.actions.run(actor, 'endpoint.test', identifiersOf(found), async () => {
      const event = await this.endpoints.test(null, id);
      return { result: event, detail: { event } };
    });
  }

  /** Returns the ids of the endpoints that get the event again. Throws `event_not_found`, `endpoint_not_found`, `event_not_for_endpoint`, `endpoint_disabled`. */
  async resend(actor: Actor, id: string, endpointId: string | null): Promise<string[]> {
    const { service } = await this.reads.getEvent(id);
    const intent = { event: id, service, endpoint: endpointId };
    return this.actions.run(actor, 'event.resend', intent, async () => {
      const endpoints = await this.events.resend(null, id, endpointId);
      return { result: endpoints, detail: { endpoints } };
    });
  }
}

function identifiersOf({ endpoint }: AdminEndpoint): Record<string, unknown> {
  return { endpoint: endpoint.id, service: endpoint.service };
}
