import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import {
  In,
  IsNull,
  LessThan,
  Repository,
  type EntityManager,
  type FindOptionsWhere,
} from 'typeorm';
import { preparedRows } from '../../platform/database/sql.js';
import { JobEvent } from '../timeline/job-event.entity.js';
import { JobResult } from '../results/job-result.entity.js';
import { TimelineSources } from '../timeline/timeline-sources.js';
import { timelineOf, type TimelineEntry } from '../timeline/timeline.js';
import { hasOpenWebhook } from '../job-ends.js';
import type { JobStatus } from '../job-status.js';
import type { JobType } from '../job-type.js';
import { Job } from '../job.entity.js';
import { age } from './job-transitions.store.js';

export interface JobFilter {
  readonly status?: JobStatus;
  readonly type?: JobType;
  readonly idempotencyKey?: string;
  /** Only jobs older than this one. */
  readonly before?: string;
}

/** Seconds since each timestamp of a job, by the database’s clock. */
export interface JobAges {
  readonly created: number;
  readonly submitted: number | null;
  readonly submitStarted: number | null;
  readonly uncertain: number | null;
  readonly callback: number | null;
  readonly cancel: number | null;
  readonly missing: number | null;
  readonly unusable: number | null;
  readonly resultMissing: number | null;
}

/** A job that a callback names, with what tells whether the callback was due. */
export interface AssertedJob {
  readonly id: string;
  readonly upstreamId: string | null;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
  /** A scheduled poll, not a callback, found the job finished. */
  readonly foundEnded: boolean;
  /** Last poll that found the job open. */
  readonly foundOpenAt: Date | null;
}

/** When the gateway accepted a job and when Reducto had it, in Unix ms by the database’s clock. */
export interface KnownSubmit {
  readonly acceptedAt: number;
  readonly submittedAt: number;
}

/** Open jobs of one status. */
export interface OpenJobs {
  readonly status: JobStatus;
  readonly count: number;
  /** Due, and not leased. */
  readonly overdue: number;
  /** How long the longest of them has been due. */
  readonly overdueSeconds: number;
  readonly oldestSeconds: number;
}

/**
 * All reads of `jobs` and `job_events`, except the lookup in the statement that stores a callback
 * (`webhooks/receiving/callback-inbox.ts`). Writes are in `job-transitions.store.ts`.
 */
@Injectable()
export class JobQueries {
  constructor(
    @InjectRepository(Job) private readonly jobs: Repository<Job>,
    @InjectRepository(JobEvent) private readonly events: Repository<JobEvent>,
    @InjectRepository(JobResult) private readonly results: Repository<JobResult>,
    private readonly timelineSources: TimelineSources,
  ) {}

  /** Whether open jobs of `service` name a webhook whose URL begins with `origin`. */
  async hasOpenWebhooks(manager: EntityManager, service: string, origin: string): Promise<boolean> {
    const [found] = await preparedRows<{ named: boolean }>(manager, OPEN_WEBHOOKS, [
      service,
      origin,
    ]);
    return found?.named ?? false;
  }

  findOwn(service: string, id: string): Promise<Job | null> {
    return this.jobs.findOneBy({ id, service });
  }

  findByIdempotencyKey(service: string, idempotencyKey: string): Promise<Job | null> {
    return this.jobs.findOneBy({ service, idempotencyKey });
  }

  /** Returns a job or null for each of `values`, in their order. */
  async findForCallbacks(
    key: 'id' | 'upstreamId',
    values: readonly string[],
  ): Promise<(Pick<Job, 'id' | 'status' | 'upstreamId' | 'service'> | null)[]> {
    const found = await preparedRows<Pick<Job, 'id' | 'status' | 'upstreamId' | 'service'>>(
      this.jobs.manager,
      key === 'id' ? FIND_BY_ID : FIND_BY_UPSTREAM_ID,
      [values],
    );
    const byKey = new Map(found.map((job) => [job[key], job]));
    return values.map((value) => byKey.get(value) ?? null);
  }

  listJobs(service: string, filter: JobFilter, limit: number): Promise<Job[]> {
    const where: FindOptionsWhere<Job> = { service, deletionRequestedAt: IsNull() };
    if (filter.status !== undefined) where.status = filter.status;
    if (filter.type !== undefined) where.type = filter.type;
    if (filter.idempotencyKey !== undefined) where.idempotencyKey = filter.idempotencyKey;
    if (filter.before !== undefined) where.id = LessThan(filter.before);
    return this.jobs.find({ where, order: { id: 'DESC' }, take: limit });
  }

  findAny(where: { id: string } | { upstreamId: string }): Promise<Job | null> {
    return this.jobs.findOneBy(where);
  }

  /** A part of the timeline: up to `limit` entries after the entry `after`. */
  async listTimeline(job: Job, after = '0', limit: number): Promise<TimelineEntry[]> {
    const [events, result, others] = await Promise.all([
      this.events.find({ where: { jobId: job.id }, order: { id: 'ASC' } }),
      this.results.findOne({ select: { sizeBytes: true }, where: { jobId: job.id } }),
      this.timelineSources.entriesOf(job.id),
    ]);
    const begin = Number(after);
    const timeline = timelineOf(job, events, result?.sizeBytes ?? null, others);
    return timeline.slice(begin, begin + limit);
  }

  /** The upstream ids that belong to jobs of this gateway. */
  async knownUpstreamIds(upstreamIds: readonly string[]): Promise<Set<string>> {
    const found = await this.jobs.find({
      select: { id: true, upstreamId: true },
      where: { upstreamId: In([...upstreamIds]) },
    });
    return new Set(found.flatMap((job) => job.upstreamId ?? []));
  }

  /** The jobs of this gateway among `upstreamIds`, by upstream id. */
  async findSubmits(upstreamIds: readonly string[]): Promise<Map<string, KnownSubmit>> {
    const found = await this.jobs.find({
      select: { id: true, upstreamId: true, createdAt: true, submittedAt: true },
      where: { upstreamId: In([...upstreamIds]) },
    });
    return new Map(
      found.flatMap(({ upstreamId, createdAt, submittedAt }) => {
        if (upstreamId === null || submittedAt === null) return [];
        return [[upstreamId, { acceptedAt: +createdAt, submittedAt: +submittedAt }]];
      }),
    );
  }

  /**
   * The newest jobs that were accepted since `acceptedSince` (Unix ms) and submitted more than `lagSeconds` ago:
   * Reducto’s listing has to show them.
   */
  async findListedSince(
    acceptedSince: number,
    lagSeconds: number,
    limit: number,
  ): Promise<string[]> {
    const found = await this.jobs
      .createQueryBuilder('job')
      .select('job.upstream_id', 'upstreamId')
      .where('job.created_at >= :since', { since: new Date(acceptedSince) })
      .andWhere('job.submitted_at < now() - make_interval(secs => :lagSeconds)', { lagSeconds })
      .andWhere({ deletionRequestedAt: IsNull() })
      // Whether the listing shows synchronous calls is not documented.
      .andWhere(`job.type <> 'classify'`)
      .orderBy('job.created_at', 'DESC')
      .limit(limit)
      .getRawMany<{ upstreamId: string }>();
    return found.map(({ upstreamId }) => upstreamId);
  }

  /** Number of these jobs that Reducto finished more than a minute ago. */
  countEndedLongAgo(upstreamIds: readonly string[]): Promise<number> {
    return this.jobs
      .createQueryBuilder('job')
      .where('job.upstream_id = ANY (:upstreamIds)', { upstreamIds })
      .andWhere({ status: In(['completed', 'failed']) })
      .andWhere(`job.ended_at < now() - interval '1 minute'`)
      .getCount();
  }

  /** Jobs with one of `ids` or one of `upstreamIds`. */
  findAsserted(ids: readonly string[], upstreamIds: readonly string[]): Promise<AssertedJob[]> {
    const foundOpen = this.events
      .createQueryBuilder('event')
      .select('max(event.at)')
      .where('event.jobId = job.id')
      .andWhere(`event.type = 'polled' AND event.detail->>'answer' = 'open'`);
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
      .getRawMany<AssertedJob>();
  }

  countOpen(): Promise<OpenJobs[]> {
    return countOpenJobs(this.jobs);
  }
}

/** Open jobs by status. The cost grows with their number. */
export function countOpenJobs(jobs: Repository<Job>): Promise<OpenJobs[]> {
  return (
    jobs
      .createQueryBuilder('job')
      .select('job.status', 'status')
      .addSelect('count(*)::integer', 'count')
      .addSelect('count(*) FILTER (WHERE job.next_check_at <= now())::integer', 'overdue')
      .addSelect(
        `greatest(coalesce(${age('min(job.next_check_at)')}, 0), 0)::double precision`,
        'overdueSeconds',
      )
      .addSelect(age('min(job.created_at)'), 'oldestSeconds')
      // As the indexes of due jobs have it.
      .where(`job.status = 'queued' OR job.status = 'submitted' OR job.status = 'uncertain'`)
      .groupBy('job.status')
      .getRawMany<OpenJobs>()
  );
}

/** Each status has an index of its own. */
const OPEN_WEBHOOKS = {
  name: 'jobs-open-webhooks',
  text: `SELECT ${hasOpenWebhook('$1', '$2')} AS named`,
};

/** Arrays as subqueries give PostgreSQL one generic plan for all array lengths. */
const FIND_BY_ID = {
  name: 'jobs-find-by-id',
  text: `SELECT id, status, upstream_id AS "upstreamId", service FROM jobs WHERE id = ANY ((SELECT $1::uuid[])::uuid[])`,
};
const FIND_BY_UPSTREAM_ID = {
  name: 'jobs-find-by-upstream-id',
  text: `SELECT id, status, upstream_id AS "upstreamId", service FROM jobs WHERE upstream_id = ANY ((SELECT $1::text[])::text[])`,
};
