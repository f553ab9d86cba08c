import { Injectable } from '@nestjs/common';
import { isJobId } from './job.entity.js';
import { Settings } from '../platform/config/settings.js';
import { Transactions } from '../platform/database/transactions.js';
import { JobLeaseStore } from './leases/job-lease.store.js';
import { JobQueries, type AssertedJob } from './persistence/job-queries.store.js';

export type { AssertedJob } from './persistence/job-queries.store.js';

/** Period over which expedited polls are spread. */
const SPREAD_SECONDS = 5;

/** Jobs that wait for a callback, for the alerts: counts them and expedites their polls. */
@Injectable()
export class AwaitingCallbackService {
  constructor(
    private readonly settings: Settings,
    private readonly leases: JobLeaseStore,
    private readonly queries: JobQueries,
    private readonly transactions: Transactions,
  ) {}

  /** Number of submitted jobs without an end. */
  async countJobs(): Promise<number> {
    const open = await this.queries.countOpen();
    return open.find(({ status }) => status === 'submitted')?.count ?? 0;
  }

  /** The gateway’s jobs among the asserted ids; ignores invalid ids. */
  findJobs(ids: readonly string[], upstreamIds: readonly string[]): Promise<AssertedJob[]> {
    return this.queries.findAsserted(ids.filter(isJobId), upstreamIds);
  }

  /** Makes the reconciler poll all waiting jobs, or those of `ids`, within seconds. Returns how many. */
  expeditePolls(ids: readonly string[] | 'all'): Promise<number> {
    const { RECONCILE_BATCH_SIZE: limit } = this.settings;
    return this.transactions.run((manager) =>
      this.leases.expeditePolls(manager, ids === 'all' ? null : ids, SPREAD_SECONDS, limit),
    );
  }
}
