import { Injectable } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { Transactions } from '../platform/database/transactions.js';
import { JobClaimsStore } from './job-claims.store.js';
import { JobReads, type NamedJob } from './job-reads.store.js';
import { isJobId } from './source-references.js';

export type { NamedJob } from './job-reads.store.js';

/** Over how long hurried looks are spread, so that they do not all go out at once. */
const SPREAD_SECONDS = 5;

/** The door of the jobs for whoever watches the callbacks: which jobs wait for one, and look at them now. */
@Injectable()
export class WaitingJobs {
  constructor(
    private readonly settings: Settings,
    private readonly claims: JobClaimsStore,
    private readonly reads: JobReads,
    private readonly transactions: Transactions,
  ) {}

  /** How many jobs Reducto has and has not been seen to finish. */
  async count(): Promise<number> {
    const open = await this.reads.countOpen();
    return open.find(({ status }) => status === 'submitted')?.count ?? 0;
  }

  /** Our jobs among those that callbacks name; what is no id of a job is passed over. */
  named(ids: readonly string[], upstreamIds: readonly string[]): Promise<NamedJob[]> {
    return this.reads.findNamed(ids.filter(isJobId), upstreamIds);
  }

  /** Has the reconciler look at all waiting jobs, or at `ids`, within seconds. Returns how many. */
  hurry(ids: readonly string[] | 'all'): Promise<number> {
    const { RECONCILE_BATCH_SIZE: limit } = this.settings;
    return this.transactions.run((manager) =>
      this.claims.bringForward(manager, ids === 'all' ? null : ids, SPREAD_SECONDS, limit),
    );
  }
}
