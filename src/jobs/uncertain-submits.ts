import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { isDatabaseAway } from '../platform/database/database-errors.js';
import { ReductoClient } from '../reducto/reducto.client.js';
import { JobClaims, type HeldJob } from './job-claims.js';
import { UPSTREAM_JOB_TAKEN } from './job-error.js';
import { JobFailures } from './job-failures.js';
import type { Job } from './job.entity.js';
import { JobReads, type JobAges, type OpenJob } from './job-reads.store.js';
import { heldBy } from './job.store.js';
import { JobTokens } from './job-token.js';
import { SettleSteps } from './settle-steps.js';
import { SubmitSteps, UNCERTAIN_REASON } from './submit-steps.js';
import { afterSearch, type UncertainStep } from './uncertain-plan.js';
import { UpstreamSearch, type SearchResult } from './upstream-search.js';
import { jobIdsOf } from './upstream-metadata.js';

/** A job to search for, and the upstream id that a callback gave it without proof. */
interface Uncertain {
  readonly open: OpenJob;
  readonly claimed: string | null;
}

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
    private readonly failures: JobFailures,
    private readonly submits: SubmitSteps,
    private readonly settles: SettleSteps,
    private readonly search: UpstreamSearch,
    private readonly reducto: ReductoClient,
    private readonly tokens: JobTokens,
  ) {}

  /** A callback has said what Reducto calls the job. Where that proves nothing, the listing is asked soon. */
  async adopt(held: HeldJob): Promise<void> {
    const claim = await this.weigh(held.job);
    if (claim?.proven !== true) return this.claims.release(held, 0);
    await this.submits.markSubmitted(held.job, claim.upstreamId, 'callback');
  }

  /**
   * Resolves jobs that the sweep has claimed: one walk through the listing for all of them. A job that fails
   * does not keep the others from being resolved.
   */
  async resolveAll(claim: string, ids: readonly string[]): Promise<void> {
    const uncertain: Uncertain[] = [];
    for (const id of ids) {
      await this.isolated(id, claim, async () => {
        const open = await this.reads.findOpen(id);
        if (open?.job.claim !== claim || open.job.status !== 'uncertain') return;
        const claimed = await this.weigh(open.job);
        if (claimed?.proven === true) {
          await this.submits.markSubmitted(open.job, claimed.upstreamId, 'callback');
        } else {
          uncertain.push({ open, claimed: claimed?.upstreamId ?? null });
        }
      });
    }
    if (uncertain.length === 0) return;
    const found = await this.searchAll(uncertain);
    for (const { open, claimed } of uncertain) {
      await this.isolated(open.job.id, claim, async () => {
        const result = found.get(open.job.id);
        if (result === undefined) return;
        await this.take(open.job, claim, this.stepAfter(result, open, claimed));
      });
    }
  }

  private async isolated(id: string, claim: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      await this.failures.handle(id, claim, error);
    }
  }

  private async searchAll(uncertain: readonly Uncertain[]): Promise<Map<string, SearchResult>> {
    const sought = uncertain.map(({ open }) => ({
      id: open.job.id,
      sinceSubmitSeconds: sinceSubmit(open.ages),
    }));
    try {
      return await this.search.find(sought);
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      this.logger.error({ msg: 'the listing of Reducto could not be searched', err: error });
      return new Map(sought.map(({ id }) => [id, { kind: 'trouble' }]));
    }
  }

  private stepAfter(
    found: SearchResult,
    { job, ages }: OpenJob,
    claim: string | null,
  ): UncertainStep {
    return afterSearch(found, {
      sinceSubmitSeconds: sinceSubmit(ages),
      ageSeconds: ages.created,
      cancelRequested: job.cancelRequestedAt !== null,
      scheduleSeconds: this.settings.UNCERTAIN_SCHEDULE_SECONDS,
      maxAgeSeconds: this.settings.JOB_MAX_AGE_SECONDS,
      resubmitUnresolved: this.settings.UNCERTAIN_UNRESOLVED === 'resubmit',
      claim,
    });
  }

  private async take(job: Job, claim: string, step: UncertainStep): Promise<void> {
    switch (step.do) {
      case 'adopt':
        if ((await this.reads.knownUpstreamIds([step.upstreamId])).size > 0) {
          await this.take(job, claim, { do: 'end', status: 'failed', error: UPSTREAM_JOB_TAKEN });
          return;
        }
        await this.submits.markSubmitted(job, step.upstreamId, step.via);
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
          this.logger.error({ msg: `job ${step.status}`, jobId: job.id, code: step.error.code });
        }
        return;
      case 'wait':
        await this.settles.putOff(job, claim, {
          seconds: step.seconds,
          answer: step.because,
          reason: UNCERTAIN_REASON,
          missing: false,
          resultMissing: false,
        });
    }
  }

  /**
   * What a callback says that Reducto calls the job, unless it is wrong: the id belongs to another job, Reducto
   * does not know it, or shows another request behind it. Proven where Reducto shows ours.
   */
  private async weigh(job: Job): Promise<{ upstreamId: string; proven: boolean } | undefined> {
    const upstreamId = job.claimedUpstreamId;
    if (upstreamId === null) return undefined;
    if ((await this.reads.knownUpstreamIds([upstreamId])).size > 0) return undefined;
    const look = await this.reducto.look(upstreamId);
    if (look.kind === 'gone') return undefined;
    if (look.rawConfig === null) return { upstreamId, proven: false };
    if (jobIdsOf(look.rawConfig, this.tokens).includes(job.id)) return { upstreamId, proven: true };
    this.logger.warn({
      msg: 'a callback claimed the upstream job of another request',
      jobId: job.id,
    });
    return undefined;
  }
}

function sinceSubmit(ages: JobAges): number {
  return ages.submitStarted ?? ages.created;
}
