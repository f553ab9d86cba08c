import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Notifications } from '../platform/work/notifications.js';
import { JobSearchStore } from './persistence/job-search.store.js';
import { JOBS_QUEUED } from './persistence/job-transitions.store.js';
import {
  DEFAULT_LIMITS,
  ServiceLimitsStore,
  type ServiceLimits,
  type ServiceLoad,
} from './services/service-limits.store.js';

export type { ServiceLimits } from './services/service-limits.store.js';

/** A service with its weight, its limits, and its open jobs. */
export type ServiceShare = { readonly service: string } & ServiceLimits & ServiceLoad;

const NO_JOBS: ServiceLoad = { queued: 0, inFlight: 0 };

/** How services share the gateway, for admins. Leases and inserts read the limits themselves. */
@Injectable()
export class ServiceLimitsService {
  constructor(
    private readonly store: ServiceLimitsStore,
    private readonly searches: JobSearchStore,
    private readonly notifications: Notifications,
  ) {}

  /** The services that have jobs or limits, and `others`, by name. */
  async listServices(others: readonly string[]): Promise<ServiceShare[]> {
    const [withJobs, limits, load] = await Promise.all([
      this.searches.listServices(),
      this.store.listLimits(),
      this.store.countOpenJobs(),
    ]);
    const limitsOf = new Map(limits.map((limit) => [limit.service, limit]));
    const names = new Set([...withJobs, ...limitsOf.keys(), ...others]);
    return [...names].toSorted().map((service) => ({
      service,
      ...(limitsOf.get(service) ?? DEFAULT_LIMITS),
      ...(load.get(service) ?? NO_JOBS),
    }));
  }

  /** A service without jobs and limits has the defaults. */
  async getService(service: string): Promise<ServiceShare> {
    const [limits, load] = await Promise.all([
      this.store.findLimits(service),
      this.store.countOpenJobs(service),
    ]);
    return { service, ...limits, ...(load.get(service) ?? NO_JOBS) };
  }

  /** Call `announceLimits` after the commit. */
  setLimits(manager: EntityManager, service: string, limits: ServiceLimits): Promise<void> {
    return this.store.writeLimits(manager, service, limits);
  }

  /** Wakes the workers, because a higher limit lets jobs leave. */
  announceLimits(): void {
    this.notifications.send(JOBS_QUEUED);
  }
}
