import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';

/** Why an endpoint is reported. `overdue`: it accepts events, but deliveries to it wait. */
export type Unhealthy = 'failing' | 'disabled' | 'overdue';

export interface UnhealthyEndpoint {
  readonly id: string;
  readonly service: string;
  readonly url: string;
  /** When it began to fail, was disabled, or when its longest overdue delivery was due. */
  readonly since: Date;
}

/** The endpoints of one kind, longest first. */
export interface UnhealthyEndpoints {
  readonly count: number;
  readonly first: readonly UnhealthyEndpoint[];
  /** The ids of up to 1000 of them. */
  readonly ids: readonly string[];
}

const MAX_FIRST = 3;
const MAX_IDS = 1000;
/** Shorter failures end by themselves, or are the restart of a receiver. */
const FAILING_MINUTES = 60;
const OVERDUE_MINUTES = 10;

/** Finds the endpoints that need attention. */
@Injectable()
export class UnhealthyEndpointsStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  async find(kind: Unhealthy): Promise<UnhealthyEndpoints> {
    const found = await rows<UnhealthyEndpoint & { count: number }>(
      this.database,
      `SELECT id, service, url, since, (count(*) OVER ())::integer AS count
         FROM (${FOUND[kind]}) AS found ORDER BY since, id LIMIT ${MAX_IDS}`,
    );
    return {
      count: found[0]?.count ?? 0,
      first: found.slice(0, MAX_FIRST),
      ids: found.map(({ id }) => id).toSorted(),
    };
  }
}

const FOUND: Readonly<Record<Unhealthy, string>> = {
  failing: `
    SELECT id, service, url, failing_since AS since FROM endpoints
     WHERE enabled AND failing_since <= now() - interval '${FAILING_MINUTES} minutes'`,
  disabled: `
    SELECT id, service, url, disabled_at AS since FROM endpoints
     WHERE NOT enabled AND disabled_reason IN ('failing', 'gone')`,
  // Tests and resends are due since a week, so that they are sent before all others.
  overdue: `
    SELECT id, service, url, due.since
      FROM endpoints,
           LATERAL (SELECT next_attempt_at AS since FROM deliveries
                     WHERE endpoint_id = id AND status = 'pending' AND lease IS NULL
                       AND next_attempt_at BETWEEN now() - interval '6 days' AND now() - interval '${OVERDUE_MINUTES} minutes'
                     ORDER BY next_attempt_at LIMIT 1) AS due
     WHERE enabled AND failing_since IS NULL`,
};
