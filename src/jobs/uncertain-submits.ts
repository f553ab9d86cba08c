import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { ReductoClient } from '../reducto/reducto.client.js';
import { JobTransitions } from './job-transitions.js';
import type { Job } from './job.entity.js';
import { JobStore, type JobAges } from './job.store.js';
import { afterSearch, type UncertainStep } from './uncertain-plan.js';
import { isRequestOf, UpstreamSearch } from './upstream-search.js';

/**
 * Resolves submits of which it is unknown whether they made a job: by what a callback claims, else by
 * Reducto's listing, and only when that shows that nothing was made is the job sent again.
 */
@Injectable()
export class UncertainSubmits {
  private readonly logger = new Logger(UncertainSubmits.name);

  constructor(
    private readonly settings: Settings,
    private readonly store: JobStore,
    private readonly transitions: JobTransitions,
    private readonly search: UpstreamSearch,
    private readonly reducto: ReductoClient,
  ) {}

  async resolve(job: Job, ages: JobAges): Promise<void> {
    if (job.claimedUpstreamId !== null && (await this.adoptClaim(job, job.claimedUpstreamId)))
      return;
    const sinceSubmitSeconds = ages.submitStarted ?? ages.created;
    const found = await this.search.find(job, sinceSubmitSeconds);
    const step = afterSearch(found, {
      sinceSubmitSeconds,
      ageSeconds: ages.created,
      cancelRequested: job.cancelRequestedAt !== null,
      scheduleSeconds: this.settings.UNCERTAIN_SCHEDULE_SECONDS,
      maxAgeSeconds: this.settings.JOB_MAX_AGE_SECONDS,
      resubmitUnresolved: this.settings.UNCERTAIN_UNRESOLVED === 'resubmit',
    });
    await this.take(job, step);
  }

  private async take(job: Job, step: UncertainStep): Promise<void> {
    switch (step.do) {
      case 'adopt':
        await this.transitions.markSubmitted(job, step.upstreamId, 'listing');
        return;
      case 'resubmit':
        this.logger.warn({ msg: 'an uncertain submit made nothing and is sent again' });
        await this.transitions.requeue(job);
        return;
      case 'end':
        this.logger.error({ msg: `job ${step.status}`, code: step.error?.code });
        await this.transitions.end(job, step.status, step.error);
        return;
      case 'wait':
        await this.transitions.putOffLook(job, {
          seconds: step.seconds,
          answer: step.because,
          missing: false,
          resultMissing: false,
        });
    }
  }

  /**
   * The callback had our token, and still its id is only a claim: it must not belong to another job, and
   * where Reducto shows the request, that must be ours.
   */
  private async adoptClaim(job: Job, upstreamId: string): Promise<boolean> {
    if ((await this.store.knownUpstreamIds([upstreamId])).size > 0) return false;
    const look = await this.reducto.look(upstreamId);
    if (look.kind === 'gone' || look.kind === 'trouble') return false;
    if (look.rawConfig !== null && !isRequestOf(job.id, look.rawConfig)) {
      this.logger.warn({ msg: 'a callback claimed the upstream job of another request' });
      return false;
    }
    return this.transitions.markSubmitted(job, upstreamId, 'callback');
  }
}
