import type { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import type { JobStatus } from '../job-status.js';
import type { SettledBy } from '../job.entity.js';
import type { Period } from './search-conditions.js';

/** How jobs ended in a period. */
export interface EndedJobs {
  readonly total: number;
  /** False if there were more; these are the last ones. */
  readonly complete: boolean;
  /** When the first of them ended, if the list is not complete. */
  readonly firstAt: Date | null;
  readonly byStatus: Readonly<Partial<Record<JobStatus, number>>>;
  readonly bySettledBy: Readonly<Partial<Record<SettledBy, number>>>;
  /** Why jobs failed or expired, the most frequent reason first. */
  readonly reasons: readonly { readonly code: string; readonly count: number }[];
  /** Seconds from the first callback for a job to its end; `null` without callbacks. */
  readonly callbackLag: { readonly median: number; readonly p95: number } | null;
}

interface EndGroup {
  /** Bit mask of `grouping()`: status, settled_by, code. */
  readonly level: number;
  readonly status: JobStatus | null;
  readonly settledBy: SettledBy | null;
  readonly code: string | null;
  readonly count: number;
  readonly firstAt: Date;
  readonly median: number | null;
  readonly p95: number | null;
}

const ALL = 0b111;

export async function describeEnds(
  manager: EntityManager,
  { from, to }: Required<Period>,
  limit: number,
): Promise<EndedJobs> {
  const groups = await rows<EndGroup>(manager, ENDS, [from, to, limit]);
  const all = groups.find(({ level }) => level === ALL);
  const total = all?.count ?? 0;
  const complete = total < limit;
  const counts = (name: 'status' | 'settledBy'): Record<string, number> =>
    Object.fromEntries(
      groups.flatMap((group) => (group[name] === null ? [] : [[group[name], group.count]])),
    );
  const { median = null, p95 = null } = all ?? {};
  return {
    total,
    complete,
    firstAt: complete ? null : (all?.firstAt ?? null),
    byStatus: counts('status'),
    bySettledBy: counts('settledBy'),
    reasons: groups
      .flatMap(({ code, count }) => (code === null ? [] : [{ code, count }]))
      .toSorted((one, other) => other.count - one.count || one.code.localeCompare(other.code)),
    callbackLag: median === null || p95 === null ? null : { median, p95 },
  };
}

const ENDS = `
  SELECT grouping(status, settled_by, code) AS level, status, settled_by AS "settledBy", code,
         count(*)::integer AS count, min(ended_at) AS "firstAt",
         percentile_cont(0.5) WITHIN GROUP (ORDER BY lag) AS median,
         percentile_cont(0.95) WITHIN GROUP (ORDER BY lag) AS p95
    FROM (SELECT status, settled_by, ended_at,
                 CASE WHEN status IN ('failed', 'expired') THEN error->>'code' END AS code,
                 extract(epoch FROM ended_at - callback_received_at)::double precision AS lag
            FROM jobs
           WHERE ended_at >= $1 AND ended_at < $2
           ORDER BY ended_at DESC LIMIT $3) AS recent
   GROUP BY GROUPING SETS ((), (status), (settled_by), (code))`;
