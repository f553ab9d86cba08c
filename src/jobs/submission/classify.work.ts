import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import type { Held, Lease, LeasedWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import { JobLeaseStore } from '../leases/job-lease.store.js';
import { asJobWork } from '../leases/job-work.js';
import { JOBS_QUEUED } from '../persistence/job-transitions.store.js';
import { ClassifyEndpoint } from './classify-endpoint.js';
import { SubmissionQueueStore, type QueuedJob } from './submission-queue.store.js';
import { SubmissionTransitions } from './submission-transitions.js';
import { Submitter } from './submitter.js';

/**
 * Due work: queued classify jobs while Reducto has no endpoint to submit them. A call lasts as long as the job, so these
 * jobs have slots of their own, and their leases are renewed.
 */
@Injectable()
export class ClassifyWork implements LeasedWork<QueuedJob>, OnModuleInit {
  readonly name = 'classify';
  readonly topic = JOBS_QUEUED;
  readonly table = 'jobs';

  constructor(
    private readonly settings: Settings,
    private readonly engine: WorkEngine,
    private readonly endpoint: ClassifyEndpoint,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly transitions: SubmissionTransitions,
    private readonly submitter: Submitter,
    private readonly queue: SubmissionQueueStore,
    private readonly leases: JobLeaseStore,
  ) {}

  onModuleInit(): void {
    this.engine.addLeased(this);
  }

  freeSlots(running: number): number {
    return this.endpoint.isAbsent ? this.settings.CLASSIFY_CONCURRENCY - running : 0;
  }

  permitsFor(wanted: number): Promise<number> {
    return this.rateLimiter.submits.permitsFor(wanted);
  }

  async lease(limit: number, lease: Lease): Promise<QueuedJob[]> {
    const jobs = await this.transitions.leaseJobs(limit, lease, 'classify');
    await this.rateLimiter.submits.returnUnused(limit - jobs.length);
    return jobs;
  }

  perform(job: QueuedJob): Promise<void | 'release'> {
    return asJobWork(this.name, job, () => this.submitter.callForJob(job));
  }

  renew(held: readonly Held<QueuedJob>[]): Promise<void> {
    return this.leases.renewLeases(held.map(({ item }) => item));
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
    this.submitter.stopCalls();
  }
}
