import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import type { Lease } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import { JobFailureHandler } from '../leases/job-failure.handler.js';
import { JobLeaseStore } from '../leases/job-lease.store.js';
import { JobWork } from '../leases/job-work.js';
import type { LeasedJob } from '../leases/leased-job.js';
import { POLLS_DUE } from '../persistence/job-transitions.store.js';
import { JobPoller } from './job-poller.js';
import { PollGrants } from './poll-grants.js';
import { PollSlots } from './poll-slots.js';

/** Maximum number of jobs that are polled or being written: a slow database stops further leases. */
const JOBS_PER_SLOT = 3;

/** Due work: polls of submitted jobs. */
@Injectable()
export class PollWork extends JobWork {
  readonly name = 'poll';
  readonly topic = POLLS_DUE;
  protected readonly concurrency: number;

  constructor(
    settings: Settings,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly poller: JobPoller,
    private readonly slots: PollSlots,
    private readonly grants: PollGrants,
    engine: WorkEngine,
    failureHandler: JobFailureHandler,
    leases: JobLeaseStore,
  ) {
    super(engine, failureHandler, leases);
    this.concurrency = settings.POLL_CONCURRENCY * JOBS_PER_SLOT;
  }

  override onModuleInit(): void {
    const { wakeForMore, grant } = this.engine.addLeased(this);
    this.slots.onFree(wakeForMore);
    this.rateLimiter.onPermits('poll', wakeForMore);
    this.grants.grantFrom(() => grant(this.rateLimiter.polls.available));
  }

  /** A batch that is too small for a statement waits for further slots. */
  override freeSlots(running: number): number {
    const free = Math.min(this.slots.free, super.freeSlots(running));
    return free < this.slots.minBatch ? 0 : free;
  }

  /** While Reducto is unavailable, due jobs stay where they are. */
  permitsFor(wanted: number): Promise<number> {
    return this.rateLimiter.polls.permitsFor(wanted);
  }

  async lease(limit: number, lease: Lease): Promise<LeasedJob[]> {
    const jobs = await this.leases.leasePolls(limit, lease);
    await this.rateLimiter.polls.returnUnused(limit - jobs.length);
    return jobs;
  }

  protected handle(job: LeasedJob): Promise<void | 'release'> {
    return this.poller.pollJob(job);
  }
}
