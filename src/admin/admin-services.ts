import { Injectable } from '@nestjs/common';
import { ApiKeysService } from '../access/api-keys.service.js';
import {
  ServiceLimitsService,
  type ServiceLimits,
  type ServiceShare,
} from '../jobs/service-limits.service.js';
import type { Actor } from '../audit/audit-entry.js';
import { AdminActions } from './admin-actions.js';

/** Weights and limits of services; changes are recorded in the audit. */
@Injectable()
export class AdminServices {
  constructor(
    private readonly limits: ServiceLimitsService,
    private readonly keys: ApiKeysService,
    private readonly actions: AdminActions,
  ) {}

  /** The services that have jobs, limits, or a valid API key, by name. */
  async listServices(): Promise<ServiceShare[]> {
    const keys = await this.keys.list();
    const withKeys = keys.filter(({ revokedAt }) => revokedAt === null);
    return this.limits.listServices(withKeys.map(({ service }) => service));
  }

  getService(service: string): Promise<ServiceShare> {
    return this.limits.getService(service);
  }

  /** Replaces weight and limits of `service`. */
  async setLimits(actor: Actor, service: string, limits: ServiceLimits): Promise<ServiceShare> {
    const intent = { service, ...limits };
    await this.actions.transact(actor, 'service.limits', intent, async (manager) => {
      await this.limits.setLimits(manager, service, limits);
      return { result: undefined };
    });
    this.limits.announceLimits();
    return this.limits.getService(service);
  }
}
