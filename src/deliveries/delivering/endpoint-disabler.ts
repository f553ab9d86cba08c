import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { Transactions } from '../../platform/database/transactions.js';
import type { DisabledReason } from '../endpoints/endpoint.entity.js';
import { EndpointsStore } from '../endpoints/endpoints.store.js';
import { FanOut } from '../events/fan-out.js';
import { DeliveryMetrics } from './delivery.metrics.js';

/** Disables endpoints whose receivers fail or are gone, and makes it known. Their deliveries stay pending. */
@Injectable()
export class EndpointDisabler {
  private readonly logger = new Logger('Deliveries');

  constructor(
    private readonly settings: Settings,
    private readonly endpoints: EndpointsStore,
    private readonly fanOut: FanOut,
    private readonly transactions: Transactions,
    private readonly metrics: DeliveryMetrics,
  ) {}

  /** Disables the endpoint with an event in one transaction, unless it has recovered or is disabled. */
  async disable(id: string, reason: Extract<DisabledReason, 'failing' | 'gone'>): Promise<void> {
    const hours = reason === 'failing' ? this.settings.ENDPOINT_DISABLE_AFTER_HOURS : 0;
    const disabled = await this.transactions.run(async (manager) => {
      const endpoint = await this.endpoints.disable(id, reason, hours, manager);
      if (endpoint === undefined) return undefined;
      const { service, url, description, failingSince, disabledAt } = endpoint;
      const type = 'endpoint.disabled';
      const data = { id, url, description, reason, failingSince, disabledAt };
      const body = JSON.stringify({ type, timestamp: disabledAt, data });
      await this.fanOut.addEndpointEvent(manager, { service, type, endpointId: id, body });
      return endpoint;
    });
    if (disabled === undefined) return;
    const { service, failingSince } = disabled;
    this.logger.error({ msg: 'endpoint disabled', endpointId: id, service, reason, failingSince });
    this.metrics.recordDisabled(reason);
    this.fanOut.announce(service);
  }
}
