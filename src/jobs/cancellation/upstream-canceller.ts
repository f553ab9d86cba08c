import { Injectable, Logger } from '@nestjs/common';
import { ReductoClient } from '../../reducto/reducto.client.js';
import type { LeasedJob } from '../leases/leased-job.js';
import { JobCancellation } from './job-cancellation.js';

/** Cancels a job at Reducto. A poll shows how the job ends, and cancels it again while it is open. */
@Injectable()
export class UpstreamCanceller {
  private readonly logger = new Logger(UpstreamCanceller.name);

  constructor(
    private readonly cancellation: JobCancellation,
    private readonly reducto: ReductoClient,
  ) {}

  async cancelJob(job: LeasedJob): Promise<void> {
    if (job.upstreamId === null) throw new Error('a submitted job has no upstream id');
    const answer = await this.reducto.cancelJob(job.upstreamId);
    switch (answer.kind) {
      case 'accepted':
        return this.cancellation.recordCancelSent(job, answer);
      case 'refused':
        return this.cancellation.recordCancelSent(job, {
          kind: 'refused',
          status: answer.error.status,
        });
      case 'unavailable':
        this.logger.warn({ msg: 'a cancel did not reach Reducto', reason: answer.error.message });
        return this.cancellation.recordCancelSent(job, { kind: 'not_sent' });
    }
  }
}
