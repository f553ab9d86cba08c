import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import type { Held, Lease, LeasedWork } from '../../platform/work/due-work.js';
import { Notifications } from '../../platform/work/notifications.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import { JobLeaseStore } from '../leases/job-lease.store.js';
import { asJobWork } from '../leases/job-work.js';
import { JOB_ENDED } from '../job-ends.js';
import { JOBS_QUEUED } from '../persistence/job-transitions.store.js';
import { ClassifyEndpoint } from './classify-endpoint.js';
import { SubmissionSlots } from './submission-slots.js';
import { SubmissionQueueStore, type QueuedJob } from './submission-queue.store.js';
import { SubmissionTransitions } from './submission-transitions.js';
import { Submitter } from './submitter.js';

/** Maximum number of jobs that are prepared, under way, or being written: a slow database stops further leases. */
const JOBS_PER_SLOT = 12;

/** Due work: queued jobs to send. One lease lasts as long as an attempt may take. */
@Injectable()
export class SubmissionWork implements LeasedWork<QueuedJob>, OnModuleInit {
  readonly name = 'submit';
  readonly topic = JOBS_QUEUED;
  readonly table = 'jobs';

  constructor(
    private readonly settings: Settings,
    private readonly engine: WorkEngine,
    private readonly endpoint: ClassifyEndpoint,
    private readonly slots: SubmissionSlots,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly transitions: SubmissionTransitions,
    private readonly submitter: Submitter,
    private readonly queue: SubmissionQueueStore,
    private readonly leases: JobLeaseStore,
    private readonly notifications: Notifications,
  ) {}

  onModuleInit(): void {
    const { wakeForMore } = this.engine.addLeased(this);
    this.slots.onFree(wakeForMore);
    this.rateLimiter.onPermits('submit', wakeForMore);
    const wake = (): void => {
      if (this.queue.waitsForEnds) this.notifications.deliver(JOBS_QUEUED, ['']);
    };
    this.notifications.subscribe(JOB_ENDED, wake, wake);
  }

  /** A batch that is too small for a statement waits for further slots. */
  freeSlots(running: number): number {
    const mayRun = this.settings.SUBMIT_CONCURRENCY * JOBS_PER_SLOT - running;
    const free = Math.min(this.slots.free, mayRun);
    return free < this.slots.minBatch ? 0 : free;
  }

  /** While Reducto is unavailable, due jobs stay where they are. */
  permitsFor(wanted: number): Promise<number> {
    return this.rateLimiter.submits.permitsFor(wanted);
  }

  async lease(limit: number, lease: Lease): Promise<QueuedJob[]> {
    const lane = this.endpoint.isAbsent ? 'submit' : 'all';
    const jobs = await this.transitions.leaseJobs(limit, lease, lane);
    await this.rateLimiter.submits.returnUnused(limit - jobs.length);
    return jobs;
  }

  perform(job: QueuedJob): Promise<void | 'release'> {
    return asJobWork(this.name, job, () => this.submitter.submitJob(job));
  }

  release(held: readonly Held<QueuedJob>[]): Promise<void> {
    return this.queue.releaseUnsent(
      held.map(({ item }) => item),
      'it was not sent in time',
    );
  }

  releaseLost(leases: readonly Lease[]): Promise<void> {
    return this.leases.releaseLost(leases);
  }

  stop(): void {
    this.submitter.stopSending();
  }
}
