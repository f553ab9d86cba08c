import { Injectable, Logger } from '@nestjs/common';
import { JobClaimsStore } from './job-claims.store.js';
import { JobFailures } from './job-failures.js';
import { JobReads, type OpenJob } from './job-reads.store.js';

/** A job that this process, and nobody else, looks at. */
export interface HeldJob extends OpenJob {
  readonly claim: string;
}

/** How long a process that looks at a job may not be heard of until another takes over. */
export const LOOK_LEASE_SECONDS = 30;
const RENEWAL_SECONDS = 10;

/**
 * One look at a job at a time, whatever number of processes, callbacks and sweeps want one. The
 * claim is renewed for as long as the look takes (a large result takes minutes); who dies, or sleeps,
 * loses it.
 */
@Injectable()
export class JobClaims {
  private readonly logger = new Logger(JobClaims.name);

  constructor(
    private readonly claims: JobClaimsStore,
    private readonly reads: JobReads,
    private readonly failures: JobFailures,
  ) {}

  /**
   * Claims the job and does `work` on it. Does nothing where the job has ended or somebody else is
   * at it: a hint that comes meanwhile is in the row, and they will act upon it.
   */
  async hold(id: string, work: (held: HeldJob) => Promise<void>): Promise<void> {
    const claim = await this.claims.take(id, LOOK_LEASE_SECONDS);
    if (claim === undefined) return;
    const renewal = setInterval(() => void this.renew(id, claim), RENEWAL_SECONDS * 1000);
    try {
      const open = await this.reads.findOpen(id);
      if (open?.job.claim === claim) await work({ claim, ...open });
    } catch (error) {
      await this.failures.handle(id, claim, error);
    } finally {
      clearInterval(renewal);
    }
  }

  /** Lets go of a job without having looked at it. */
  release({ job, claim }: HeldJob, seconds: number, reason?: string): Promise<void> {
    return this.claims.release(job.id, claim, seconds, reason);
  }

  private async renew(id: string, claim: string): Promise<void> {
    try {
      await this.claims.keep(id, claim, LOOK_LEASE_SECONDS);
    } catch (error) {
      this.logger.warn({ msg: 'a claim could not be renewed', jobId: id, err: error });
    }
  }
}
