import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';
import type { RefusalCause } from './refusal.js';

/** A stored refusal, or a count of refusals, which has only `addresses`. */
export interface RecentRefusal {
  /** The id of the entry. */
  readonly id: string;
  readonly at: Date;
  readonly cause: RefusalCause;
  readonly count: number;
  /** Addresses with their counts. */
  readonly addresses: Readonly<Record<string, number>>;
  readonly forwarded: boolean;
  /** The allowlist contains the address. */
  readonly allowed: boolean;
  readonly wellFormed: boolean;
  /** The verdict of the guard of the secret, if it ran. */
  readonly secret: 'pass' | 'fail' | 'observed' | 'not_checked' | null;
  readonly secretCause: RefusalCause | null;
  readonly tried: string | null;
  readonly assertedJobId: string | null;
  readonly assertedUpstreamId: string | null;
  /** The beginning of an unreadable body. */
  readonly sample: string | null;
}

/** All refusals of a cause, stored and counted. */
export interface RefusalTotal {
  readonly cause: RefusalCause;
  readonly inTenMinutes: number;
  /** In the hour before the last ten minutes. */
  readonly hourBefore: number;
  readonly lastAt: Date;
}

/** Queries of recent refusals for the detection of alerts. Reads a bounded number of entries. */
@Injectable()
export class RecentRefusals {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** The entries of the last day among the newest `limit`, newest first. */
  listRefusals(limit: number): Promise<RecentRefusal[]> {
    return rows<RecentRefusal>(this.database, LIST, [limit]);
  }

  countRefusals(): Promise<RefusalTotal[]> {
    return rows<RefusalTotal>(this.database, TOTALS);
  }
}

/** A day instead of an hour, because the clock of the writing process may be wrong. */
const LIST = `
  SELECT id, at, cause, count,
         CASE kind WHEN 'counted' THEN data->'addresses'
                   ELSE jsonb_build_object(coalesce(address, ''), 1) END AS addresses,
         data->>'forwardedFor' IS NOT NULL AS forwarded,
         coalesce(data#>>'{verdicts,source_ip,result}' = 'pass'
           AND data#>>'{verdicts,source_ip,detail}' IS NULL, false) AS allowed,
         coalesce(data#>>'{verdicts,well_formed,result}' = 'pass', false) AS "wellFormed",
         data#>>'{verdicts,secret,result}' AS secret,
         data#>>'{verdicts,secret,cause}' AS "secretCause",
         data#>>'{verdicts,secret,detail}' AS tried,
         data->>'assertedJobId' AS "assertedJobId",
         data->>'assertedUpstreamId' AS "assertedUpstreamId",
         CASE WHEN guard = 'well_formed' THEN data->>'bodySample' END AS sample
    FROM audit_entries
   WHERE id > (SELECT last_id - $1 FROM audit_chain) AND at > now() - interval '1 day'
     AND (kind = 'refused' OR (kind = 'counted' AND data->>'outcome' = 'refused'))
   ORDER BY id DESC
   LIMIT $1`;

const TOTALS = `
  SELECT cause,
         coalesce(sum(count) FILTER (WHERE at >= now() - interval '10 min'), 0)::float8 AS "inTenMinutes",
         coalesce(sum(count) FILTER (WHERE at < now() - interval '10 min'), 0)::float8 AS "hourBefore",
         max(at) AS "lastAt"
    FROM audit_entries
   WHERE at >= now() - interval '70 min'
     AND (kind = 'refused' OR (kind = 'counted' AND data->>'outcome' = 'refused'))
   GROUP BY cause`;
