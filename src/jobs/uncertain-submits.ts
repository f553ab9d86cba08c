import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { ReductoClient } from '../reducto/reducto.client.js';
import { JobClaims, type HeldJob } from './job-claims.js';
import type { Job } from './job.entity.js';
import { JobReads, type JobAges, type OpenJob } from './job-reads.store.js';
import { heldBy } from './job.store.js';
import { SettleSteps } from './settle-steps.js';
import { SubmitSteps } from './submit-steps.js';
import { afterSearch, type UncertainStep } from './uncertain-plan.js';
import { isRequestOf, UpstreamSearch, type SearchResult } from './upstream-search.js';

/**
 * Resolves submits of which it is unknown whether they made a job: by what a callback claims, else by
 * Reducto's listing, and only when that shows that nothing was made is the job sent again.
 */
@Injectable()
export class UncertainSubmits {
  private readonly logger = new Logger(UncertainSubmits.name);

  constructor(
    private readonly settings: Settings,
    private readonly reads: JobReads,
    private readonly claims: JobClaims,
    private readonly submits: SubmitSteps,
    private readonly settles: SettleSteps,
    private readonly search: UpstreamSearch,
    private readonly reducto: ReductoClient,
  ) {}

  /** A callback has said what Reducto calls the job. Where that does not help, the listing is asked soon. */
  async adopt(held: HeldJob): Promise<void> {
    if (!(await this.adoptClaim(held.job))) await this.claims.release(held, 0);
  }

  /** Resolves jobs that the sweep has claimed: one walk through the listing for all of them. */
  async resolveAll(claim: string, ids: readonly string[]): Promise<void> {
    const uncertain: OpenJob[] = [];
    for (const id of ids) {
      const open = await this.reads.findOpen(id);
      if (open?.job.claim !== claim || open.job.status !== 'uncertain') continue;
      if (!(await this.adoptClaim(open.job))) uncertain.push(open);
    }
    if (uncertain.length === 0) return;
    const found = await this.search.find(
      uncertain.map(({ job, ages }) => ({ id: job.id, sinceSubmitSeconds: sinceSubmit(ages) })),
    );
    for (const { job, ages } of uncertain) {
      const result = found.get(job.id);
      if (result !== undefined) await this.take(job, claim, this.stepAfter(result, job, ages));
    }
  }

  private stepAfter(found: SearchResult, job: Job, ages: JobAges): UncertainStep {
    return afterSearch(found, {
      sinceSubmitSeconds: sinceSubmit(ages),
      ageSeconds: ages.created,
      cancelRequested: job.cancelRequestedAt !== null,
      scheduleSeconds: this.settings.UNCERTAIN_SCHEDULE_SECONDS,
      maxAgeSeconds: this.settings.JOB_MAX_AGE_SECONDS,
      resubmitUnresolved: this.settings.UNCERTAIN_UNRESOLVED === 'resubmit',
    });
  }

  private async take(job: Job, claim: string, step: UncertainStep): Promise<void> {
    switch (step.do) {
      case 'adopt':
        await this.submits.markSubmitted(job, step.upstreamId, 'listing');
        return;
      case 'resubmit':
        if (await this.submits.requeue(job, heldBy(claim))) {
          this.logger.warn({
            msg: 'an uncertain submit made nothing and is sent again',
            jobId: job.id,
          });
        }
        return;
      case 'end':
        if (await this.settles.end(job, claim, step.status, step.error)) {
          this.logger.error({ msg: `job ${step.status}`, jobId: job.id, code: step.error?.code });
        }
        return;
      case 'wait':
        await this.settles.putOff(job, claim, {
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
  private async adoptClaim(job: Job): Promise<boolean> {
    const upstreamId = job.claimedUpstreamId;
    if (upstreamId === null) return false;
    if ((await this.reads.knownUpstreamIds([upstreamId])).size > 0) return false;
    const look = await this.reducto.look(upstreamId);
    if (look.kind === 'gone' || look.kind === 'trouble' || look.kind === 'not-asked') return false;
    if (look.rawConfig !== null && !isRequestOf(job.id, look.rawConfig)) {
      this.logger.warn({ msg: 'a callback claimed the upstream job of another request' });
      return false;
    }
    return this.submits.markSubmitted(job, upstreamId, 'callback');
  }
}

function sinceSubmit(ages: JobAges): number {
  return ages.submitStarted ?? ages.created;
}
