import { Injectable, Logger } from '@nestjs/common';
import { JobLeaseStore } from './job-lease.store.js';
import { JobFailureHandler } from './job-failure.handler.js';
import { JobQueries, type OpenJob } from '../persistence/job-queries.store.js';

/** A job that this process, and nobody else, looks at. */
export interface LeasedJob extends OpenJob {
  readonly lease: string;
}

/** How long a process that looks at a job may not be heard of until another takes over. */
export const POLL_LEASE_SECONDS = 30;
const RENEWAL_SECONDS = 10;

/**
 * One look at a job at a time, whatever number of processes, callbacks and sweeps want one. The
 * claim is renewed for as long as the look takes (a large result takes minutes); who dies, or sleeps,
 * loses it.
 */
@Injectable()
export class JobLease {
  private readonly logger = new Logger(JobLease.name);

  constructor(
    private readonly leases: JobLeaseStore,
    private readonly queries: JobQueries,
    private readonly failureHandler: JobFailureHandler,
  ) {}

  /**
   * Claims the job and does `work` on it. Does nothing where the job has ended or somebody else is
   * at it: a hint that comes meanwhile is in the row, and they will act upon it.
   */
  async withLease(id: string, work: (held: LeasedJob) => Promise<void>): Promise<void> {
    const lease = await this.leases.acquireLease(id, POLL_LEASE_SECONDS);
    if (lease === undefined) return;
    const renewal = setInterval(() => void this.renewLease(id, lease), RENEWAL_SECONDS * 1000);
    try {
      const open = await this.queries.findOpen(id);
      if (open?.job.lease === lease) await work({ lease, ...open });
    } catch (error) {
      await this.failureHandler.handle(id, lease, error);
    } finally {
      clearInterval(renewal);
    }
  }

  /** Lets go of a job without having looked at it. */
  releaseLease({ job, lease: claim }: LeasedJob, seconds: number, reason?: string): Promise<void> {
    return this.leases.releaseLease(job.id, claim, seconds, reason);
  }

  private async renewLease(id: string, lease: string): Promise<void> {
    try {
      await this.leases.renewLease(id, lease, POLL_LEASE_SECONDS);
    } catch (error) {
      this.logger.warn({ msg: 'a claim could not be renewed', jobId: id, err: error });
    }
  }
}
