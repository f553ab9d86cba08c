import { Injectable, Logger } from '@nestjs/common';
import { JobLeaseStore } from './job-lease.store.js';
import { JobFailureHandler } from './job-failure.handler.js';
import { JobQueries, type OpenJob } from '../persistence/job-queries.store.js';

/** An open job that this process has leased. */
export interface LeasedJob extends OpenJob {
  readonly lease: string;
}

/** Time after which the lease of a silent process is free. */
export const POLL_LEASE_SECONDS = 30;
const RENEWAL_SECONDS = 10;

/**
 * One poll of a job at a time, for any number of processes and triggers. The lease is renewed while the poll
 * lasts, since a large result takes minutes.
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
   * Leases the job and does `work`. Does nothing if the job has ended or is leased: the row keeps a trigger that
   * arrives meanwhile.
   */
  async withLease(id: string, work: (leased: LeasedJob) => Promise<void>): Promise<void> {
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

  /** Releases a job without having polled it. */
  releaseLease({ job, lease }: LeasedJob, seconds: number, reason?: string): Promise<void> {
    return this.leases.releaseLease(job.id, lease, seconds, reason);
  }

  private async renewLease(id: string, lease: string): Promise<void> {
    try {
      await this.leases.renewLease(id, lease, POLL_LEASE_SECONDS);
    } catch (error) {
      this.logger.warn({ msg: 'lease not renewed', jobId: id, err: error });
    }
  }
}
