import { SpanKind } from '@opentelemetry/api';
import { withLogFields } from '../../platform/logging/log-context.js';
import { inSpan, linksTo } from '../../platform/tracing/spans.js';
import type { Held } from '../../platform/work/due-work.js';
import { JobLeaseStore, type HeldJob } from './job-lease.store.js';
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

/** Leases of open jobs, for the kinds of work on them. */
export abstract class JobWork {
  constructor(protected readonly leases: JobLeaseStore) {}

  renew(held: readonly Held<LeasedJob>[]): Promise<void> {
    return this.leases.renewLeases(held.map(toHeldJob));
  }

  release(held: readonly Held<LeasedJob>[]): Promise<void> {
    return this.leases.releaseJobs(held.map(toHeldJob), 0);
  }

  releaseLost(leaseIds: readonly string[]): Promise<void> {
    return this.leases.releaseLost(leaseIds);
  }
}

function toHeldJob({ item }: Held<LeasedJob>): HeldJob {
  return item;
}
