import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { isDatabaseAway } from '../../platform/database/database-errors.js';
import { ReductoClient } from '../../reducto/reducto.client.js';
import { JobLease, type LeasedJob } from '../polling/job-lease.js';
import { UPSTREAM_JOB_TAKEN } from '../job-error.js';
import { JobFailureHandler } from '../polling/job-failure.handler.js';
import type { Job } from '../job.entity.js';
import { JobQueries, type JobAges, type OpenJob } from '../persistence/job-queries.store.js';
import { ifLeasedBy } from '../persistence/job-transitions.store.js';
import { CallbackTokenService } from '../callback-token.service.js';
import { jittered } from '../polling/poll-policy.js';
import { PollTransitions } from '../polling/poll-transitions.js';
import { SubmissionTransitions, UNCERTAIN_REASON } from '../submission/submission-transitions.js';
import { stepAfterSearch, type RecoveryStep } from './recovery-policy.js';
import { UpstreamSearch, type SearchResult } from './upstream-search.js';
import { jobIdsOf } from './upstream-metadata.js';

/** Time after the begin of an attempt within which its request leaves. */
const LEAVES_WITHIN_SECONDS = 5;

/** A job to search for, and the unproven upstream id that a callback asserted. */
interface Uncertain {
  readonly open: OpenJob;
  readonly assertedUpstreamId: string | null;
}

/**
 * Resolves submits with an unknown outcome: by the id that a callback asserts, else by Reducto’s listing. Only a
 * listing that proves the job absent leads to a second submit.
 */
@Injectable()
export class SubmissionRecovery {
  private readonly logger = new Logger(SubmissionRecovery.name);

  constructor(
    private readonly settings: Settings,
    private readonly queries: JobQueries,
    private readonly jobLease: JobLease,
    private readonly failureHandler: JobFailureHandler,
    private readonly submissionTransitions: SubmissionTransitions,
    private readonly pollTransitions: PollTransitions,
    private readonly search: UpstreamSearch,
    private readonly reducto: ReductoClient,
    private readonly tokens: CallbackTokenService,
  ) {}

  /**
   * Adopts the upstream id that a callback asserted; without proof, releases the job so that the listing is
   * searched soon.
   */
  async adoptAssertedId(leased: LeasedJob): Promise<void> {
    const asserted = await this.verifyAssertedId(leased.job);
    if (asserted?.proven !== true) return this.jobLease.releaseLease(leased, 0);
    await this.submissionTransitions.markSubmitted(leased.job, asserted.upstreamId, 'callback');
  }

  /** Resolves the jobs of a sweep with one walk through the listing. A job that fails does not block the others. */
  async resolveAll(lease: string, ids: readonly string[]): Promise<void> {
    const uncertain: Uncertain[] = [];
    for (const id of ids) {
      await this.withFailureHandling(id, lease, async () => {
        const open = await this.queries.findOpen(id);
        if (open?.job.lease !== lease || open.job.status !== 'uncertain') return;
        const asserted = await this.verifyAssertedId(open.job);
        if (asserted?.proven === true) {
          await this.submissionTransitions.markSubmitted(open.job, asserted.upstreamId, 'callback');
        } else {
          uncertain.push({ open, assertedUpstreamId: asserted?.upstreamId ?? null });
        }
      });
    }
    if (uncertain.length === 0) return;
    const found = await this.searchAll(uncertain);
    for (const { open, assertedUpstreamId } of uncertain) {
      await this.withFailureHandling(open.job.id, lease, async () => {
        const result = found.get(open.job.id);
        if (result === undefined) return;
        await this.applyStep(open.job, lease, this.stepAfter(result, open, assertedUpstreamId));
      });
    }
  }

  private async withFailureHandling(
    id: string,
    lease: string,
    work: () => Promise<void>,
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      await this.failureHandler.handle(id, lease, error);
    }
  }

  private async searchAll(uncertain: readonly Uncertain[]): Promise<Map<string, SearchResult>> {
    const sought = uncertain.map(({ open: { job } }) => ({
      id: job.id,
      begunAt: (job.submitStartedAt ?? job.createdAt).getTime(),
      lastMomentAt: job.uncertainSince?.getTime() ?? Infinity,
    }));
    try {
      return await this.search.findJobs(sought);
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      this.logger.error({ msg: 'could not search Reducto’s listing', err: error });
      return new Map(sought.map(({ id }) => [id, { kind: 'unavailable' }]));
    }
  }

  private stepAfter(
    found: SearchResult,
    { job, ages }: OpenJob,
    assertedUpstreamId: string | null,
  ): RecoveryStep {
    return stepAfterSearch(found, {
      sinceLastMomentSeconds: this.sinceLastMoment(ages),
      listingLagSeconds: this.settings.UNCERTAIN_LISTING_LAG_SECONDS,
      ageSeconds: ages.created,
      cancelRequested: job.cancelRequestedAt !== null,
      scheduleSeconds: this.settings.UNCERTAIN_SCHEDULE_SECONDS,
      maxAgeSeconds: this.settings.JOB_MAX_AGE_SECONDS,
      resubmitUnresolved: this.settings.UNCERTAIN_UNRESOLVED === 'resubmit',
      assertedUpstreamId,
    });
  }

  /** An earlier version does not store the moment: then the longest request counts. */
  private sinceLastMoment(ages: JobAges): number {
    const sinceBegin = ages.submitStarted ?? ages.created;
    const longest = LEAVES_WITHIN_SECONDS + this.settings.REDUCTO_SUBMIT_TIMEOUT_SECONDS;
    return ages.uncertain ?? Math.max(sinceBegin - longest, 0);
  }

  /** The first attempt is repeated at once, later ones like deferred submits. */
  private delay({ submitAttempts }: Job): number {
    const delays = this.settings.SUBMIT_BACKOFF_SECONDS;
    const delay = delays[Math.min(submitAttempts - 1, delays.length) - 1];
    return delay === undefined ? 0 : jittered(delay);
  }

  private async applyStep(job: Job, lease: string, step: RecoveryStep): Promise<void> {
    switch (step.do) {
      case 'adopt':
        if ((await this.queries.knownUpstreamIds([step.upstreamId])).size > 0) {
          await this.applyStep(job, lease, {
            do: 'end',
            status: 'failed',
            error: UPSTREAM_JOB_TAKEN,
          });
          return;
        }
        await this.submissionTransitions.markSubmitted(job, step.upstreamId, step.via);
        return;
      case 'resubmit':
        if (await this.submissionTransitions.requeueJob(job, ifLeasedBy(lease), this.delay(job))) {
          this.logger.warn({
            msg: 'an uncertain submit made nothing and is sent again',
            jobId: job.id,
          });
        }
        return;
      case 'end':
        if (await this.pollTransitions.endJob(job, lease, step.status, step.error)) {
          this.logger.error({ msg: `job ${step.status}`, jobId: job.id, code: step.error.code });
        }
        return;
      case 'wait':
        await this.pollTransitions.reschedule(job, lease, {
          seconds: step.seconds,
          answer: step.because,
          reason: UNCERTAIN_REASON,
          missing: false,
          resultMissing: false,
        });
    }
  }

  /**
   * The asserted upstream id, unless it belongs to another job, is unknown to Reducto, or shows another request.
   * Proven if Reducto shows this job’s request.
   */
  private async verifyAssertedId(
    job: Job,
  ): Promise<{ upstreamId: string; proven: boolean } | undefined> {
    const upstreamId = job.assertedUpstreamId;
    if (upstreamId === null) return undefined;
    if ((await this.queries.knownUpstreamIds([upstreamId])).size > 0) return undefined;
    const answer = await this.reducto.pollJob(upstreamId);
    if (answer.kind === 'not_found') return undefined;
    if (answer.rawConfig === null) return { upstreamId, proven: false };
    if (jobIdsOf(answer.rawConfig, this.tokens).includes(job.id))
      return { upstreamId, proven: true };
    this.logger.warn({
      msg: 'callback asserts the upstream job of another request',
      jobId: job.id,
    });
    return undefined;
  }
}
