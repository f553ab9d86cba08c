import { Injectable } from '@nestjs/common';
import { CallbackJobsService } from '../../jobs/callback-jobs.service.js';
import type { ReceivedCallback } from '../guards/received-callback.js';

/** Authentic callbacks for upstream jobs that are not those of their jobs: Reducto has made a second one. */
@Injectable()
export class MismatchedCallbacks {
  constructor(private readonly callbackJobs: CallbackJobsService) {}

  /** Has the upstream job of a mismatched callback deleted. */
  async discardUpstream({ mismatchedJob, message, provedBy }: ReceivedCallback): Promise<void> {
    if (mismatchedJob === undefined || message === undefined || provedBy === undefined) return;
    await this.callbackJobs.discardMismatch(mismatchedJob, message.upstreamId, provedBy === 'svix');
  }
}
