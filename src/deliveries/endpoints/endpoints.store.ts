import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { MoreThan, Repository, type EntityManager, type QueryDeepPartialEntity } from 'typeorm';
import { preparedRows, rows, SHORT_TRANSACTION } from '../../platform/database/sql.js';
import { Endpoint, type DisabledReason, type PayloadFormat } from './endpoint.entity.js';

/** Only endpoints of this service; null: of all. */
export type Owner = string | null;

type Times = Pick<Endpoint, 'createdAt' | 'updatedAt'>;

/** The database sets the times, because the ends of jobs are by its clock too. */
export type EndpointRow = Omit<Endpoint, keyof Times>;

/** What decides whether an endpoint gets an event. */
export interface EndpointFilter {
  readonly id: string;
  readonly service: string;
  readonly url: string;
  readonly forJobs: boolean;
  readonly createdAt: Date;
  readonly payloadFormat: PayloadFormat;
  readonly eventTypes: readonly string[] | null;
  readonly channels: readonly string[] | null;
  readonly jobTypes: readonly string[] | null;
  /** JSON text. */
  readonly metadata: string | null;
}

/** Deliveries of an endpoint that wait, and those whose last attempt failed. */
export interface Backlog {
  readonly pending: number;
  readonly failed: number;
}

/** A count beyond it is not exact. */
export const MAX_COUNT = 10_000;

/** All SQL on `endpoints`, except leases and results of deliveries. */
@Injectable()
export class EndpointsStore {
  constructor(@InjectRepository(Endpoint) private readonly endpoints: Repository<Endpoint>) {}

  /** Inserts the endpoint if its service has fewer than `max` of its kind: for jobs, or created by the service. */
  async insertEndpoint(
    manager: EntityManager,
    endpoint: EndpointRow,
    max: number,
  ): Promise<Endpoint | undefined> {
    await preparedRows(manager, LOCK_SERVICE, [endpoint.service]);
    // A statement of its own: its snapshot has what the last holder of the lock inserted.
    const { service, forJobs } = endpoint;
    const count = await manager.countBy(Endpoint, { service, forJobs });
    if (count >= max) return undefined;
    const { generatedMaps } = await manager.insert(Endpoint, endpoint);
    return { ...endpoint, ...(generatedMaps[0] as Times) };
  }

  /** The endpoint of jobs whose webhooks go to the origin `url`; `make` makes it if the service has fewer than `max` of them. */
  async findForJobs(
    manager: EntityManager,
    service: string,
    url: string,
    max: number,
    make: () => EndpointRow,
  ): Promise<Endpoint | undefined> {
    const where = { service, url, forJobs: true };
    const known = await manager.findOneBy(Endpoint, where);
    if (known !== null) return known;
    await preparedRows(manager, LOCK_SERVICE, [service]);
    const made = await manager.findOneBy(Endpoint, where);
    if (made !== null) return made;
    return this.insertEndpoint(manager, make(), max);
  }

  /** Those of the endpoints for jobs, each of a service and a URL, that exist. Nobody deletes them before the commit. */
  lockForJobs(
    manager: EntityManager,
    services: readonly string[],
    urls: readonly string[],
  ): Promise<EndpointFilter[]> {
    return preparedRows<EndpointFilter>(manager, LOCK_FOR_JOBS, [services, urls]);
  }

  /** Waits for those who have locked it, and locks it until the commit. Returns whether it is enabled. */
  async lock(manager: EntityManager, id: string): Promise<boolean> {
    const [locked] = await rows<{ enabled: boolean }>(manager, LOCK, [id]);
    return locked?.enabled ?? false;
  }

  find(owner: Owner, id: string): Promise<Endpoint | null> {
    return this.endpoints.findOneBy(owner === null ? { id } : { id, service: owner });
  }

  list(owner: Owner, after: string | undefined, limit: number): Promise<Endpoint[]> {
    return this.endpoints.find({
      where: {
        ...(owner === null ? {} : { service: owner }),
        ...(after === undefined ? {} : { id: MoreThan(after) }),
      },
      order: { id: 'ASC' },
      take: limit,
    });
  }

  async update(id: string, changes: QueryDeepPartialEntity<Endpoint>): Promise<void> {
    await this.endpoints.update({ id }, { ...changes, updatedAt: () => 'now()' });
  }

  /** Its deliveries stay for the record, and none of them is due any more. */
  async delete(manager: EntityManager, id: string): Promise<void> {
    await manager.delete(Endpoint, { id });
  }

  /** Enables the endpoint and forgets its failures. */
  async enable(id: string): Promise<void> {
    await rows(this.endpoints.manager, ENABLE, [id]);
  }

  /** Lets the next delivery be an attempt, whatever the circuit breaker says. */
  async closeBreaker(id: string): Promise<void> {
    await this.endpoints.update({ id }, { pausedUntil: null });
  }

  /**
   * Disables an enabled endpoint. `failedHours`: only if it has failed for so long. `manager`: of the transaction that tells
   * of it.
   */
  async disable(
    id: string,
    reason: DisabledReason,
    failedHours = 0,
    manager = this.endpoints.manager,
  ): Promise<Endpoint | undefined> {
    const [disabled] = await rows<{ id: string }>(manager, DISABLE, [id, reason, failedHours]);
    if (disabled === undefined) return undefined;
    return (await manager.findOneBy(Endpoint, { id })) ?? undefined;
  }

  /** `secret` is encrypted, as is the one that it replaces, which signs no longer if it is `unreadable`. */
  async rotateSecret(
    id: string,
    secret: string,
    overlapSeconds: number,
    unreadable: string | null,
  ): Promise<void> {
    await rows(this.endpoints.manager, ROTATE, [id, secret, overlapSeconds, unreadable]);
  }

  /** The endpoints of `services`, enabled or not, except those for jobs. */
  listFilters(manager: EntityManager, services: readonly string[]): Promise<EndpointFilter[]> {
    return preparedRows<EndpointFilter>(manager, LIST_FILTERS, [services]);
  }

  async countBacklogs(
    ids: readonly string[],
    manager = this.endpoints.manager,
  ): Promise<Map<string, Backlog>> {
    const counted = await rows<Backlog & { id: string }>(manager, BACKLOGS, [ids, MAX_COUNT]);
    return new Map(counted.map(({ id, ...backlog }) => [id, backlog]));
  }
}

const LOCK_SERVICE = {
  name: 'endpoints-lock-service',
  text: `WITH ${SHORT_TRANSACTION}
  SELECT pg_advisory_xact_lock(hashtextextended('endpoints ' || $1::text, 0)) FROM short`,
};

const ENABLE = `
  UPDATE endpoints
     SET enabled = true, disabled_reason = NULL, disabled_at = NULL, failing_since = NULL,
         consecutive_failures = 0, paused_until = NULL, updated_at = now()
   WHERE id = $1`;

const DISABLE = `
  WITH ${SHORT_TRANSACTION}
  UPDATE endpoints SET enabled = false, disabled_reason = $2, disabled_at = now(), updated_at = now()
    FROM short
   WHERE id = $1 AND enabled
     AND ($3::integer = 0 OR failing_since <= now() - make_interval(hours => $3))
  RETURNING id`;

const SIGNS_ON = `$3::float8 > 0 AND secret IS DISTINCT FROM $4::text`;

const ROTATE = `
  UPDATE endpoints
     SET secret = $2, previous_secret = CASE WHEN ${SIGNS_ON} THEN secret END,
         previous_secret_until = CASE WHEN ${SIGNS_ON} THEN now() + make_interval(secs => $3::float8) END, updated_at = now()
   WHERE id = $1`;

const FILTER = `
  SELECT id, service, url, for_jobs AS "forJobs", created_at AS "createdAt", payload_format AS "payloadFormat",
         event_types AS "eventTypes", channels, job_types AS "jobTypes", metadata
    FROM endpoints`;

const LIST_FILTERS = {
  name: 'endpoints-filters',
  text: `${FILTER} WHERE service = ANY ($1::text[]) AND NOT for_jobs`,
};

const LOCK_FOR_JOBS = {
  name: 'endpoints-lock-for-jobs',
  text: `${FILTER} WHERE for_jobs AND (service, url) IN (SELECT * FROM unnest($1::text[], $2::text[])) FOR KEY SHARE OF endpoints`,
};

const LOCK = `
  WITH ${SHORT_TRANSACTION}
  SELECT enabled FROM short, endpoints WHERE id = $1 FOR UPDATE OF endpoints`;

const BACKLOGS = `
  SELECT id,
         (SELECT count(*)::integer
            FROM (SELECT FROM deliveries WHERE endpoint_id = id AND status = 'pending' LIMIT $2) AS waiting) AS pending,
         (SELECT count(*)::integer
            FROM (SELECT FROM deliveries WHERE endpoint_id = id AND status = 'failed' LIMIT $2) AS failing) AS failed
    FROM unnest($1::uuid[]) AS id`;
