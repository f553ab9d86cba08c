import { Injectable, Logger } from '@nestjs/common';
import { ReductoClient } from '../../reducto/reducto.client.js';
import { JobCancellation } from './job-cancellation.js';
import { JobQueries } from '../persistence/job-queries.store.js';

/** Cancels a job at Reducto. A poll shows how the job ends, and cancels it again while it is open. */
@Injectable()
export class UpstreamCanceller {
  private readonly logger = new Logger(UpstreamCanceller.name);

  constructor(
    private readonly queries: JobQueries,
    private readonly cancellation: JobCancellation,
    private readonly reducto: ReductoClient,
  ) {}

  async cancelJob(jobId: string): Promise<void> {
    const open = await this.queries.findOpen(jobId);
    // Without an upstream id the submit requests the cancel later.
    if (open?.job.status !== 'submitted' || open.job.upstreamId === null) return;
    const answer = await this.reducto.cancelJob(open.job.upstreamId);
    if (answer.kind === 'unavailable') {
      this.logger.warn({ msg: 'a cancel did not reach Reducto', reason: answer.error.message });
      throw new Error('a cancel did not reach Reducto');
    }
    if (answer.kind === 'accepted') await this.cancellation.recordCancelSent(open.job);
    else await this.cancellation.recordRefusal(open.job, answer.error.status);
  }
}
