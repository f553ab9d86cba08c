import { Injectable, type OnModuleInit } from '@nestjs/common';
import { SpanKind } from '@opentelemetry/api';
import { withLogFields } from '../../platform/logging/log-context.js';
import { inSpan, linksTo } from '../../platform/tracing/spans.js';
import type { Held, Lease, LeasedWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { JobFailureHandler } from './job-failure.handler.js';
import { JobLeaseStore } from './job-lease.store.js';
import type { LeasedJob } from './leased-job.js';

/** Does `work` for a job, with its id in logs and a span of its own that links to the request that led to it. */
export function asJobWork<T>(
  name: string,
  { id, trace }: { readonly id: string; readonly trace: string | null },
  work: () => Promise<T>,
): Promise<T> {
  const attributes = { 'gateway.job_id': id };
  const options = { kind: SpanKind.CONSUMER, root: true, attributes, links: linksTo(trace) };
  return withLogFields({ work: name, jobId: id }, () => inSpan(name, options, work));
}

/** What the kinds of work on jobs share that may be at Reducto. */
@Injectable()
export abstract class JobWork implements LeasedWork<LeasedJob>, OnModuleInit {
  abstract readonly name: string;
  abstract readonly topic: string;
  readonly table = 'jobs';
  /** Jobs under way at a time. */
  protected abstract readonly concurrency: number;

  constructor(
    protected readonly engine: WorkEngine,
    private readonly failureHandler: JobFailureHandler,
    protected readonly leases: JobLeaseStore,
  ) {}

  abstract lease(limit: number, lease: Lease): Promise<readonly LeasedJob[]>;

  /** What it throws goes to `JobFailureHandler`. */
  protected abstract handle(job: LeasedJob): Promise<void | 'release'>;

  onModuleInit(): void {
    this.engine.addLeased(this);
  }

  freeSlots(running: number): number {
    return this.concurrency - running;
  }

  perform(job: LeasedJob): Promise<void | 'release'> {
    return asJobWork(this.name, job, () =>
      this.handle(job).catch((error: unknown) => this.failureHandler.handle(job, error)),
    );
  }

  renew(held: readonly Held<LeasedJob>[]): Promise<void> {
    return this.leases.renewLeases(held.map(({ item }) => item));
  }

  release(held: readonly Held<LeasedJob>[]): Promise<void> {
    return this.leases.releaseJobs(held.map(({ item }) => item));
  }

  releaseLost(leases: readonly Lease[]): Promise<void> {
    return this.leases.releaseLost(leases);
  }
}
