import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';
import type { RefusalCause } from './refusal.js';

/** A refusal that was kept, or so many of one cause that were only counted: then without all but `addresses`. */
export interface RecentRefusal {
  /** Of its entry. */
  readonly id: string;
  readonly at: Date;
  readonly cause: RefusalCause;
  readonly count: number;
  /** Where they came from, and how many of them. */
  readonly addresses: Readonly<Record<string, number>>;
  readonly forwarded: boolean;
  /** The address is one that the allowlist names. */
  readonly allowed: boolean;
  readonly wellFormed: boolean;
  /** What the guard of the secret found, where it was asked. */
  readonly secret: 'pass' | 'fail' | 'observed' | 'not_checked' | null;
  readonly secretCause: RefusalCause | null;
  readonly tried: string | null;
  readonly assertedJobId: string | null;
  readonly assertedUpstreamId: string | null;
  /** The beginning of the body of one that could not be read. */
  readonly sample: string | null;
}

/** How many of a cause were refused, counted ones with the others. */
export interface RefusalTotal {
  readonly cause: RefusalCause;
  readonly inTenMinutes: number;
  /** In the hour before the last ten minutes. */
  readonly hourBefore: number;
  readonly lastAt: Date;
}

/** What was refused lately, for whoever looks for a pattern in it. Reads a bounded number of entries. */
@Injectable()
export class RecentRefusals {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** Among the last `most` entries of the chain, those of a day; the newest first. */
  listRefusals(most: number): Promise<RecentRefusal[]> {
    return rows<RecentRefusal>(this.database, LIST, [most]);
  }

  countRefusals(): Promise<RefusalTotal[]> {
    return rows<RefusalTotal>(this.database, TOTALS);
  }
}

/** A day, although an hour is of interest: the clock of the process that wrote an entry may be off. */
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
