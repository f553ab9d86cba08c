import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';

/** Why an endpoint is reported. `overdue`: it accepts events, but deliveries to it wait. */
export type Unhealthy = 'failing' | 'disabled' | 'overdue';

/** The endpoints of one kind. */
export interface UnhealthyEndpoints {
  readonly count: number;
  /** When the first began to fail, was disabled, or when the longest overdue delivery was due; null if there is none. */
  readonly since: Date | null;
  /** The latest 100. */
  readonly endpoints: readonly { readonly id: string; readonly service: string }[];
}

interface FoundEndpoint {
  readonly id: string;
  readonly service: string;
  readonly count: number;
  readonly first: Date;
}

const MAX_ENDPOINTS = 100;
/** Shorter failures end by themselves, or are the restart of a receiver. */
const FAILING_MINUTES = 60;
const OVERDUE_MINUTES = 10;

/** Finds the endpoints that need attention. */
@Injectable()
export class UnhealthyEndpointsStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  async find(kind: Unhealthy): Promise<UnhealthyEndpoints> {
    const found = await rows<FoundEndpoint>(
      this.database,
      `SELECT id, service, (count(*) OVER ())::integer AS count, min(since) OVER () AS first
         FROM (${FOUND[kind]}) AS found ORDER BY since DESC, id LIMIT ${MAX_ENDPOINTS}`,
    );
    return {
      count: found[0]?.count ?? 0,
      since: found[0]?.first ?? null,
      endpoints: found.map(({ id, service }) => ({ id, service })),
    };
  }
}

const FOUND: Readonly<Record<Unhealthy, string>> = {
  failing: `
    SELECT id, service, failing_since AS since FROM endpoints
     WHERE enabled AND failing_since <= now() - interval '${FAILING_MINUTES} minutes'`,
  disabled: `
    SELECT id, service, disabled_at AS since FROM endpoints
     WHERE NOT enabled AND disabled_reason IN ('failing', 'gone')`,
  // Tests and resends are due since a week, so that they are sent before all others.
  overdue: `
    SELECT id, service, due.since
      FROM endpoints,
           LATERAL (SELECT next_attempt_at AS since FROM deliveries
                     WHERE endpoint_id = id AND status = 'pending' AND lease IS NULL
                       AND next_attempt_at BETWEEN now() - interval '6 days' AND now() - interval '${OVERDUE_MINUTES} minutes'
                     ORDER BY next_attempt_at LIMIT 1) AS due
     WHERE enabled AND failing_since IS NULL`,
};
