import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, IsNull, LessThan, MoreThan, Not, Repository, type FindOptionsWhere } from 'typeorm';
import { preparedRows, rows } from '../platform/database/sql.js';
import { JobEvent } from './job-event.entity.js';
import { isTerminal, type JobStatus } from './job-status.js';
import type { JobType } from './job-type.js';
import { Job, type SettledBy } from './job.entity.js';
import { age } from './job.store.js';

export interface JobFilter {
  readonly status?: JobStatus;
  readonly type?: JobType;
  readonly idempotencyKey?: string;
  /** Only jobs older than this one. */
  readonly before?: string;
}

/** Jobs of any service. */
export interface JobSearch extends Omit<JobFilter, 'idempotencyKey'> {
  readonly service?: string;
  readonly upstreamId?: string;
}

/** How jobs came to their end lately. */
export interface EndedJobs {
  readonly total: number;
  /** False where there were more, and these are the last ones. */
  readonly complete: boolean;
  readonly byStatus: Readonly<Partial<Record<JobStatus, number>>>;
  readonly bySettledBy: Readonly<Partial<Record<SettledBy, number>>>;
  /** From the first callback for a job to its end; `null` where there was none. */
  readonly callbackLag: { readonly median: number; readonly p95: number } | null;
}

/** Seconds since each of a job's moments, by the database's clock. */
export interface JobAges {
  readonly created: number;
  readonly submitted: number | null;
  readonly submitStarted: number | null;
  readonly callback: number | null;
  readonly cancel: number | null;
  readonly missing: number | null;
  readonly resultMissing: number | null;
}

/** A job that has not ended, and how long it has been so. */
export interface OpenJob {
  readonly job: Job;
  readonly ages: JobAges;
}

/** A job that a callback names: whether it was still to be expected. */
export interface NamedJob {
  readonly id: string;
  readonly upstreamId: string | null;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
  /** Reducto was asked of its own accord, and had finished it. */
  readonly foundEnded: boolean;
  /** When Reducto last said that it is not finished. */
  readonly foundOpenAt: Date | null;
}

/** How many jobs of a status have not ended. */
export interface OpenJobs {
  readonly status: JobStatus;
  readonly count: number;
  /** Due, and not taken up yet. */
  readonly overdue: number;
  readonly oldestSeconds: number;
}

/**
 * What is read from `jobs` and `job_events`, but for the one lookup of the door, which is part of the statement that stores
 * a callback (`webhooks/callback-inbox.ts`). What changes them is in `job.store.ts`.
 */
@Injectable()
export class JobReads {
  constructor(
    @InjectRepository(Job) private readonly jobs: Repository<Job>,
    @InjectRepository(JobEvent) private readonly events: Repository<JobEvent>,
  ) {}

  findOwn(service: string, id: string): Promise<Job | null> {
    return this.jobs.findOneBy({ id, service });
  }

  findByIdempotencyKey(service: string, idempotencyKey: string): Promise<Job | null> {
    return this.jobs.findOneBy({ service, idempotencyKey });
  }

  findOwnMany(service: string, ids: readonly string[]): Promise<Job[]> {
    return this.jobs.find({
      select: { id: true, status: true, upstreamId: true },
      where: { service, id: In([...ids]) },
    });
  }

  /** What the guard of the job ID needs to know. */
  findForCallback(
    where: { id: string } | { upstreamId: string },
  ): Promise<Pick<Job, 'id' | 'status' | 'upstreamId'> | null> {
    return this.jobs.findOne({ select: { id: true, status: true, upstreamId: true }, where });
  }

  /** The same for many at once: an answer for each of `values`, in their order. */
  async findForCallbacks(
    key: 'id' | 'upstreamId',
    values: readonly string[],
  ): Promise<(Pick<Job, 'id' | 'status' | 'upstreamId'> | null)[]> {
    const found = await preparedRows<Pick<Job, 'id' | 'status' | 'upstreamId'>>(
      this.jobs.manager,
      key === 'id' ? FIND_BY_ID : FIND_BY_UPSTREAM_ID,
      [values],
    );
    const byKey = new Map(found.map((job) => [job[key], job]));
    return values.map((value) => byKey.get(value) ?? null);
  }

  list(service: string, filter: JobFilter, limit: number): Promise<Job[]> {
    const where: FindOptionsWhere<Job> = { service };
    if (filter.status !== undefined) where.status = filter.status;
    if (filter.type !== undefined) where.type = filter.type;
    if (filter.idempotencyKey !== undefined) where.idempotencyKey = filter.idempotencyKey;
    if (filter.before !== undefined) where.id = LessThan(filter.before);
    return this.jobs.find({ where, order: { id: 'DESC' }, take: limit });
  }

  findAny(where: { id: string } | { upstreamId: string }): Promise<Job | null> {
    return this.jobs.findOneBy(where);
  }

  /** Of any service, the newest first. What `status` says of `next_check_at` and `ended_at` leads to an index. */
  search(search: JobSearch, limit: number): Promise<Job[]> {
    const where: FindOptionsWhere<Job> = {};
    if (search.service !== undefined) where.service = search.service;
    if (search.upstreamId !== undefined) where.upstreamId = search.upstreamId;
    if (search.type !== undefined) where.type = search.type;
    if (search.before !== undefined) where.id = LessThan(search.before);
    if (search.status !== undefined) {
      where.status = search.status;
      if (isTerminal(search.status)) where.endedAt = Not(IsNull());
      else where.nextCheckAt = Not(IsNull());
    }
    return this.jobs.find({ where, order: { id: 'DESC' }, take: limit });
  }

  /** Of the jobs that ended in the last `hours`, the last `limit`: costs no more than so many, however old the table. */
  async describeEnds(hours: number, limit: number): Promise<EndedJobs> {
    const groups = await rows<EndGroup>(this.jobs.manager, ENDS, [hours, limit]);
    const [all, ...parts] = groups.toSorted((one, other) => other.level - one.level);
    const counts = (name: 'status' | 'settledBy'): Record<string, number> =>
      Object.fromEntries(
        parts.flatMap((part) => (part[name] === null ? [] : [[part[name], part.count]])),
      );
    return {
      total: all?.count ?? 0,
      complete: (all?.count ?? 0) < limit,
      byStatus: counts('status'),
      bySettledBy: counts('settledBy'),
      callbackLag: lagOf(all),
    };
  }

  /** The oldest first, from the one after `after` on. */
  listEvents(jobId: string, after: string | undefined, limit: number): Promise<JobEvent[]> {
    const where: FindOptionsWhere<JobEvent> = { jobId };
    if (after !== undefined) where.id = MoreThan(after);
    return this.events.find({ where, order: { id: 'ASC' }, take: limit });
  }

  /** The job and how long it has been so; `undefined` where it has ended (or never was). */
  async findOpen(id: string): Promise<OpenJob | undefined> {
    const { entities, raw } = await this.jobs
      .createQueryBuilder('job')
      .addSelect(age('job.created_at'), 'age_created')
      .addSelect(age('job.submitted_at'), 'age_submitted')
      .addSelect(age('job.submit_started_at'), 'age_submit_started')
      .addSelect(age('job.callback_received_at'), 'age_callback')
      .addSelect(age('job.cancel_requested_at'), 'age_cancel')
      .addSelect(age('job.missing_since'), 'age_missing')
      .addSelect(age('job.result_missing_since'), 'age_result_missing')
      .where('job.id = :id', { id })
      .getRawAndEntities<Record<string, number | null>>();
    const [job] = entities;
    const [ages] = raw;
    if (job === undefined || ages === undefined || isTerminal(job.status)) return undefined;
    return {
      job,
      ages: {
        created: ages['age_created'] ?? 0,
        submitted: ages['age_submitted'] ?? null,
        submitStarted: ages['age_submit_started'] ?? null,
        callback: ages['age_callback'] ?? null,
        cancel: ages['age_cancel'] ?? null,
        missing: ages['age_missing'] ?? null,
        resultMissing: ages['age_result_missing'] ?? null,
      },
    };
  }

  /** Which of these upstream ids belong to jobs of this gateway. */
  async knownUpstreamIds(upstreamIds: readonly string[]): Promise<Set<string>> {
    const found = await this.jobs.find({
      select: { id: true, upstreamId: true },
      where: { upstreamId: In([...upstreamIds]) },
    });
    return new Set(found.flatMap((job) => job.upstreamId ?? []));
  }

  /** Of these upstream ids, how many belong to jobs that ended upstream more than a minute ago. */
  countEndedLongAgo(upstreamIds: readonly string[]): Promise<number> {
    return this.jobs
      .createQueryBuilder('job')
      .where('job.upstream_id = ANY (:upstreamIds)', { upstreamIds })
      .andWhere({ status: In(['completed', 'failed']) })
      .andWhere(`job.ended_at < now() - interval '1 minute'`)
      .getCount();
  }

  /** Those of our jobs that have one of `ids` or, at Reducto, one of `upstreamIds`. */
  findNamed(ids: readonly string[], upstreamIds: readonly string[]): Promise<NamedJob[]> {
    const foundOpen = this.events
      .createQueryBuilder('event')
      .select('max(event.at)')
      .where('event.jobId = job.id')
      .andWhere(`event.type = 'looked' AND event.detail->>'answer' = 'open'`);
    return this.jobs
      .createQueryBuilder('job')
      .select('job.id', 'id')
      .addSelect('job.upstream_id', 'upstreamId')
      .addSelect('job.created_at', 'createdAt')
      .addSelect('job.ended_at', 'endedAt')
      .addSelect(
        `coalesce(job.settled_by = 'reconciler', false) AND job.status IN ('completed', 'failed')`,
        'foundEnded',
      )
      .addSelect(`(${foundOpen.getQuery()})`, 'foundOpenAt')
      .where('job.id = ANY (:ids) OR job.upstream_id = ANY (:upstreamIds)', { ids, upstreamIds })
      .getRawMany<NamedJob>();
  }

  /** The jobs that have not ended, by status. Costs as much as there are of them. */
  async countOpen(): Promise<OpenJobs[]> {
    return this.jobs
      .createQueryBuilder('job')
      .select('job.status', 'status')
      .addSelect('count(*)::integer', 'count')
      .addSelect('count(*) FILTER (WHERE job.next_check_at <= now())::integer', 'overdue')
      .addSelect(age('min(job.created_at)'), 'oldestSeconds')
      .where('job.next_check_at IS NOT NULL')
      .groupBy('job.status')
      .getRawMany<OpenJobs>();
  }
}

interface EndGroup {
  /** 3: all of them. */
  readonly level: number;
  readonly status: JobStatus | null;
  readonly settledBy: SettledBy | null;
  readonly count: number;
  readonly median: number | null;
  readonly p95: number | null;
}

function lagOf(group: EndGroup | undefined): EndedJobs['callbackLag'] {
  const { median = null, p95 = null } = group ?? {};
  return median === null || p95 === null ? null : { median, p95 };
}

const ENDS = `
  SELECT grouping(status, settled_by) AS level, status, settled_by AS "settledBy",
         count(*)::integer AS count,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY lag) AS median,
         percentile_cont(0.95) WITHIN GROUP (ORDER BY lag) AS p95
    FROM (SELECT status, settled_by,
                 extract(epoch FROM ended_at - callback_received_at)::double precision AS lag
            FROM jobs
           WHERE ended_at > now() - make_interval(hours => $1)
           ORDER BY ended_at DESC LIMIT $2) AS recent
   GROUP BY GROUPING SETS ((), (status), (settled_by))`;

const FIND_BY_ID = {
  name: 'jobs-find-by-id',
  text: `SELECT id, status, upstream_id AS "upstreamId" FROM jobs WHERE id = ANY ($1::uuid[])`,
};
const FIND_BY_UPSTREAM_ID = {
  name: 'jobs-find-by-upstream-id',
  text: `SELECT id, status, upstream_id AS "upstreamId" FROM jobs WHERE upstream_id = ANY ($1::text[])`,
};
