import { Injectable, Logger } from '@nestjs/common';
import pLimit from 'p-limit';
import type { EntityManager } from 'typeorm';
import { classifyDatabaseError, sqlStateOf } from '../../platform/database/database-errors.js';
import { preparedRows } from '../../platform/database/sql.js';
import { Transactions } from '../../platform/database/transactions.js';
import { UNSTORABLE, UNSTORABLE_JOB, UNSTORABLE_SUBMIT, type JobError } from '../job-error.js';
import { JobMetrics } from '../persistence/job.metrics.js';
import type { JobStatus } from '../job-status.js';
import { JobTransitionsStore, SETTLED_BY_TRIGGER } from '../persistence/job-transitions.store.js';

/** A due job, as `FIRST_COLUMNS` describe it. */
export interface FirstJob {
  readonly id: string;
  readonly status: JobStatus;
  /** Number of begun attempts. */
  readonly attempt: number;
  /** An attempt has begun. */
  readonly begun: boolean;
}

/** Columns of a `FirstJob` of `jobs`. */
export const FIRST_COLUMNS =
  'jobs.id, status, submit_attempts AS attempt, submit_started_at IS NOT NULL AS begun';

/** How one kind of work leases due jobs. */
export interface JobLeasing<Job> {
  leaseJobs(limit: number): Promise<readonly Job[]>;
  /** Locks the job that `leaseJobs` leases first. */
  lockFirst(manager: EntityManager): Promise<FirstJob | undefined>;
  /** Leases the locked job. */
  leaseOne(manager: EntityManager, id: string): Promise<Job | undefined>;
}

/** How long a job is skipped that PostgreSQL does not even let fail. */
const SKIP_MILLISECONDS = 60_000;

/**
 * Keeps a job that PostgreSQL refuses to lease from blocking the others, whose lease is the same statement: the job
 * fails. One that PostgreSQL refuses to change at all is skipped.
 */
@Injectable()
export class RefusedJobs {
  private readonly logger = new Logger(RefusedJobs.name);
  /** Ids of skipped jobs, with the time until which each is skipped. */
  private readonly skipped = new Map<string, number>();
  /** A skip needs two connections, so that several at a time could wait for each other. */
  private readonly skips = pLimit(1);

  constructor(
    private readonly transitions: JobTransitionsStore,
    private readonly transactions: Transactions,
    private readonly metrics: JobMetrics,
  ) {}

  /** Leases up to `limit` jobs. Halves the statement until the refused job is alone. */
  async leaseJobs<Job>(limit: number, leasing: JobLeasing<Job>): Promise<Job[]> {
    const leased: Job[] = [];
    let size = limit;
    while (leased.length < limit) {
      size = Math.min(size, limit - leased.length);
      try {
        const jobs = await this.skipping(() => leasing.leaseJobs(size));
        leased.push(...jobs);
        if (jobs.length < size) break;
      } catch (error) {
        if (classifyDatabaseError(error) !== 'data') throw error;
        if (size > 1) {
          size = Math.ceil(size / 2);
          continue;
        }
        const first = await this.skipping(() => this.leaseFirst(leasing));
        if (first === undefined) break;
        if (first !== 'refused') leased.push(first);
        size = limit;
      }
    }
    return leased;
  }

  /** Leases the next job alone, or ends it if PostgreSQL refuses the lease. */
  private async leaseFirst<Job>(leasing: JobLeasing<Job>): Promise<Job | 'refused' | undefined> {
    const locked: { job?: FirstJob } = {};
    try {
      return await this.transactions.run(async (manager) => {
        const job = await leasing.lockFirst(manager);
        if (job === undefined) return undefined;
        locked.job = job;
        return leasing.leaseOne(manager, job.id);
      });
    } catch (error) {
      if (locked.job === undefined || classifyDatabaseError(error) !== 'data') throw error;
      await this.failJob(locked.job, sqlStateOf(error));
      return 'refused';
    }
  }

  private async failJob({ id, status, attempt, begun }: FirstJob, sqlState: string): Promise<void> {
    this.logger.error({ msg: 'could not lease a job', jobId: id, sqlState });
    const error = errorOf(status, begun);
    try {
      const moved = await this.transactions.run((manager) =>
        this.transitions.transition(
          manager,
          id,
          'failed',
          { error, settledBy: status === 'queued' ? 'submission' : () => SETTLED_BY_TRIGGER },
          null,
          [
            'status = :status AND submit_attempts = :attempt AND (lease IS NULL OR next_check_at <= now())',
            { status, attempt },
          ],
        ),
      );
      this.metrics.recordEnded('failed', moved, error.code);
    } catch (thrown) {
      if (classifyDatabaseError(thrown) !== 'data') throw thrown;
      this.logger.error({ msg: 'could not end a job', jobId: id, sqlState: sqlStateOf(thrown) });
      this.skipped.set(id, performance.now() + SKIP_MILLISECONDS);
    }
  }

  /** Does `work` while the skipped jobs are locked: leases pass over locked rows. */
  private async skipping<T>(work: () => Promise<T>): Promise<T> {
    for (const [id, until] of this.skipped) if (until < performance.now()) this.skipped.delete(id);
    if (this.skipped.size === 0) return work();
    return this.skips(() =>
      this.transactions.run(async (manager) => {
        await preparedRows(manager, LOCK, [[...this.skipped.keys()]]);
        return work();
      }),
    );
  }
}

function errorOf(status: JobStatus, begun: boolean): JobError {
  if (status === 'submitted') return UNSTORABLE_JOB;
  return status === 'queued' && !begun ? UNSTORABLE : UNSTORABLE_SUBMIT;
}

const LOCK = {
  name: 'jobs-lock-skipped',
  text: 'SELECT FROM jobs WHERE id = ANY ($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED',
};
