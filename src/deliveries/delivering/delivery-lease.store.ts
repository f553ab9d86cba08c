import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { Settings } from '../../platform/config/settings.js';
import { preparedRows, rows } from '../../platform/database/sql.js';
import { Transactions } from '../../platform/database/transactions.js';
import type { Held, Lease } from '../../platform/work/due-work.js';
import type { PayloadFormat } from '../endpoints/endpoint.entity.js';
import { FREE_WORKER, LEASE, LOCK, RELEASE, RELEASE_LOST } from './lease-statements.js';

/** A leased delivery, with its event and its endpoint. */
export interface DueDelivery {
  readonly eventId: string;
  readonly endpointId: string;
  readonly lease: string;
  readonly attempts: number;
  readonly failures: number;
  readonly service: string;
  readonly jobId: string | null;
  readonly body: string;
  /** Null if it was the webhook of a job and was deleted with it. */
  readonly url: string | null;
  /** Encrypted, as are the secrets. */
  readonly headers: string | null;
  readonly secret: string;
  /** Only while it is valid. */
  readonly previousSecret: string | null;
  readonly svixHeaders: boolean;
  /** The job names the URL. */
  readonly forJobs: boolean;
  readonly payloadFormat: PayloadFormat;
  readonly includeResult: boolean;
  readonly retrySchedule: readonly number[] | null;
}

/** What one lease found. */
export interface Leased {
  readonly deliveries: readonly DueDelivery[];
  /** When a rate limit lets further due deliveries leave; null if none waits for one. */
  readonly waitSeconds: number | null;
}

/** Added to the timeout of a request: its record may wait for the database. Renewals are not needed. */
const RECORD_SECONDS = 60;

/**
 * Leases of deliveries. One lease at a time in all processes, so that concurrency, rate limit, and circuit breaker of an
 * endpoint hold for all of them together.
 */
@Injectable()
export class DeliveryLeaseStore {
  private readonly concurrency: number;
  private readonly leaseSeconds: number;

  constructor(
    settings: Settings,
    private readonly transactions: Transactions,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {
    this.concurrency = settings.DELIVERY_ENDPOINT_CONCURRENCY;
    this.leaseSeconds = settings.DELIVERY_TIMEOUT_SECONDS + RECORD_SECONDS;
  }

  /** Leases up to `limit` due deliveries; the endpoints take turns, and the longest due delivery of each is first. */
  lease(limit: number, lease: Lease): Promise<Leased> {
    return this.transactions.run(async (manager) => {
      await preparedRows(manager, LOCK, []);
      // A statement of its own: its snapshot has what the last holder of the lock leased.
      const found = await preparedRows<LeasedRow>(manager, LEASE, [
        limit,
        lease.id,
        lease.worker,
        this.concurrency,
        this.leaseSeconds,
      ]);
      return {
        deliveries: found.filter(isDelivery),
        waitSeconds: found[0]?.waitSeconds ?? null,
      };
    });
  }

  /** Makes deliveries due again on which nothing is recorded. */
  async release(held: readonly Held<DueDelivery>[]): Promise<void> {
    await preparedRows(this.database, RELEASE, [
      held.map(({ item }) => item.eventId),
      held.map(({ item }) => item.endpointId),
      held.map(({ item }) => item.lease),
    ]);
  }

  async releaseLost(leases: readonly Lease[]): Promise<void> {
    await rows(this.database, RELEASE_LOST, [leases.map(({ id }) => id)]);
  }

  /** Frees the deliveries of a dead worker: its requests may have arrived, and are sent again. */
  async freeWorker(manager: EntityManager, worker: number): Promise<number> {
    return (await rows(manager, FREE_WORKER, [worker])).length;
  }
}

type LeasedRow = Pick<Leased, 'waitSeconds'> & (DueDelivery | { readonly eventId: null });

function isDelivery(row: LeasedRow): row is LeasedRow & DueDelivery {
  return row.eventId !== null;
}
