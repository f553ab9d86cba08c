import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows, rows } from '../../platform/database/sql.js';
import { Service } from './service.entity.js';

/** Weight and limits of a service. */
export type ServiceLimits = Pick<Service, 'weight' | 'maxInFlight' | 'maxQueued'>;

export const DEFAULT_LIMITS: ServiceLimits = { weight: 1, maxInFlight: null, maxQueued: null };

/** Open jobs of a service. */
export interface ServiceLoad {
  readonly queued: number;
  /** Being sent, submitted, or uncertain. */
  readonly inFlight: number;
}

interface LoadRow extends ServiceLoad {
  readonly service: string;
}

/** All SQL on `services`, except the joins of the leases (`fair-lease.ts`) and of the insert of jobs. */
@Injectable()
export class ServiceLimitsStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  listLimits(): Promise<Service[]> {
    return this.database.find(Service, { order: { service: 'ASC' } });
  }

  async findLimits(service: string): Promise<ServiceLimits> {
    return (await this.database.findOneBy(Service, { service })) ?? DEFAULT_LIMITS;
  }

  async writeLimits(manager: EntityManager, service: string, limits: ServiceLimits): Promise<void> {
    await manager.upsert(Service, { service, ...limits }, ['service']);
  }

  /** The open jobs of each service that has some; of `service` alone if it is given. */
  async countOpenJobs(service?: string): Promise<Map<string, ServiceLoad>> {
    const counted = await rows<LoadRow>(this.database, COUNT_OPEN, [service ?? null]);
    return new Map(counted.map(({ service: name, ...load }) => [name, load]));
  }

  /**
   * Locks the rows of those of `services` that limit their queued jobs, until the transaction ends. Returns how many more
   * jobs each may have; a service without a limit is absent.
   */
  async lockRoom(
    manager: EntityManager,
    services: readonly string[],
  ): Promise<Map<string, number>> {
    const limited = await preparedRows<{ service: string; maxQueued: number }>(
      manager,
      LOCK_LIMITED,
      [services],
    );
    if (limited.length === 0) return new Map();
    // A statement of its own: its snapshot has what the last holders of the locks inserted.
    const rooms = await preparedRows<{ service: string; room: number }>(manager, COUNT_ROOM, [
      limited.map(({ service }) => service),
      limited.map(({ maxQueued }) => maxQueued),
    ]);
    return new Map(rooms.map(({ service, room }) => [service, room]));
  }
}

const COUNT_OPEN = `
  SELECT service, count(*) FILTER (WHERE status = 'queued')::integer AS queued,
         count(*) FILTER (WHERE status <> 'queued' OR lease IS NOT NULL)::integer AS "inFlight"
    FROM jobs
   WHERE (status = 'queued' OR status = 'submitted' OR status = 'uncertain')
     AND ($1::text IS NULL OR service = $1)
   GROUP BY service`;

const LOCK_LIMITED = {
  name: 'services-lock-queued',
  text: `
  SELECT service, max_queued AS "maxQueued" FROM services
   WHERE service = ANY ($1::text[]) AND max_queued IS NOT NULL
   ORDER BY service FOR NO KEY UPDATE`,
};

const COUNT_ROOM = {
  name: 'services-count-room',
  text: `
  SELECT limited.service, max_queued - count::integer AS room
    FROM unnest($1::text[], $2::integer[]) AS limited (service, max_queued),
         LATERAL (SELECT count(*) FROM (
           SELECT FROM jobs WHERE jobs.service = limited.service AND status = 'queued' LIMIT max_queued)
             AS queued) AS counted`,
};
