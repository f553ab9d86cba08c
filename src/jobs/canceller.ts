import { Injectable, Logger } from '@nestjs/common';
import { ReductoClient } from '../reducto/reducto.client.js';
import { CancelSteps } from './cancel-steps.js';
import { JobReads } from './job-reads.store.js';

/** Tells Reducto that a job is no longer wanted. A poll shows how the job ends, and cancels it again while it is open. */
@Injectable()
export class Canceller {
  private readonly logger = new Logger(Canceller.name);

  constructor(
    private readonly reads: JobReads,
    private readonly steps: CancelSteps,
    private readonly reducto: ReductoClient,
  ) {}

  async cancel(jobId: string): Promise<void> {
    const open = await this.reads.findOpen(jobId);
    // Without an upstream id there is nothing to tell; the submit asks for it when it knows one.
    if (open?.job.status !== 'submitted' || open.job.upstreamId === null) return;
    const answer = await this.reducto.cancel(open.job.upstreamId);
    if (answer.kind === 'trouble') {
      this.logger.warn({ msg: 'a cancel did not reach Reducto', reason: answer.error.message });
      throw new Error('a cancel did not reach Reducto');
    }
    if (answer.kind === 'accepted') await this.steps.sent(open.job);
    else await this.steps.refused(open.job, answer.error.status);
  }
}
