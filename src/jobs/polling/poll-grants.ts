import { Injectable } from '@nestjs/common';
import type { LeaseGrant } from '../../platform/work/due-work.js';
import type { LeasedJob } from '../leases/leased-job.js';

type GrantSource = () => LeaseGrant<LeasedJob> | undefined;

/**
 * Free slots for polls, for the statement that records callbacks: it leases what it makes due, where the same process
 * can poll it at once.
 */
@Injectable()
export class PollGrants {
  private source: GrantSource = () => undefined;

  grantFrom(source: GrantSource): void {
    this.source = source;
  }

  /** `undefined` where this process does not poll, or not now. */
  take(): LeaseGrant<LeasedJob> | undefined {
    return this.source();
  }
}
