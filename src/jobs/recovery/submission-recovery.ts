import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { isDatabaseAway } from '../../platform/database/database-errors.js';
import { ReductoClient } from '../../reducto/reducto.client.js';
import { Batches } from '../../platform/batches.js';
import type { LeasedJob } from '../leases/leased-job.js';
import { UPSTREAM_JOB_TAKEN } from '../job-error.js';
import { JobQueries, type JobAges } from '../persistence/job-queries.store.js';
import { ifLeasedBy, ifUntriggered } from '../persistence/job-transitions.store.js';
import { CallbackTokenService } from '../callback-token.service.js';
import { jittered } from '../polling/poll-policy.js';
import { PollTransitions } from '../polling/poll-transitions.js';
import { SubmissionTransitions, UNCERTAIN_REASON } from '../submission/submission-transitions.js';
import { stepAfterSearch, type RecoveryStep } from './recovery-policy.js';
import { UpstreamSearch, type SearchedJob, type SearchResult } from './upstream-search.js';
import { jobIdsOf } from './upstream-metadata.js';

/** Time after the begin of an attempt within which its request leaves. */
const LEAVES_WITHIN_SECONDS = 5;

const BATCH_LIMITS = { size: 1000, waiting: 100_000, concurrency: 1 };

/**
 * Resolves submits with an unknown outcome: by the id that a callback asserts, else by Reducto’s listing. Only a
 * listing that proves the job absent leads to a second submit.
 */
@Injectable()
export class SubmissionRecovery {
  private readonly logger = new Logger(SubmissionRecovery.name);
  /** Searches at the same time share a walk through the listing. */
  private readonly searches = new Batches<SearchedJob, SearchResult>(
    (sought) => this.searchAll(sought),
    BATCH_LIMITS,
  );

  constructor(
    private readonly settings: Settings,
    private readonly queries: JobQueries,
    private readonly submissionTransitions: SubmissionTransitions,
    private readonly pollTransitions: PollTransitions,
    private readonly search: UpstreamSearch,
    private readonly reducto: ReductoClient,
    private readonly tokens: CallbackTokenService,
  ) {}

  /** By the id that a callback asserted and Reducto confirms, else by a search. */
  async resolve(job: LeasedJob): Promise<void> {
    const asserted = await this.verifyAssertedId(job);
    if (asserted?.proven === true) {
      await this.submissionTransitions.markSubmitted(job, asserted.upstreamId, 'callback');
      return;
    }
    const found = await this.searches.addItem({
      id: job.id,
      begunAt: job.begunAt.getTime(),
      lastMomentAt: job.uncertainSince?.getTime() ?? Infinity,
      mayBeUnmarked: job.type === 'classify',
    });
    await this.applyStep(job, this.stepAfter(found, job, asserted?.upstreamId ?? null));
  }

  private async searchAll(sought: readonly SearchedJob[]): Promise<SearchResult[]> {
    try {
      const found = await this.search.findJobs(sought);
      return sought.map(({ id }) => found.get(id) ?? { kind: 'unavailable' });
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      this.logger.error({ msg: 'could not search Reducto’s listing', err: error });
      return sought.map(() => ({ kind: 'unavailable' }));
    }
  }

  private stepAfter(
    found: SearchResult,
    { ages, cancelRequested }: LeasedJob,
    assertedUpstreamId: string | null,
  ): RecoveryStep {
    return stepAfterSearch(found, {
      sinceLastMomentSeconds: this.sinceLastMoment(ages),
      listingLagSeconds: this.settings.UNCERTAIN_LISTING_LAG_SECONDS,
      ageSeconds: ages.created,
      cancelRequested,
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
  private delay({ submitAttempts }: LeasedJob): number {
    const delays = this.settings.SUBMIT_BACKOFF_SECONDS;
    const delay = delays[Math.min(submitAttempts - 1, delays.length) - 1];
    return delay === undefined ? 0 : jittered(delay);
  }

  private async applyStep(job: LeasedJob, step: RecoveryStep): Promise<void> {
    switch (step.do) {
      case 'adopt':
        if ((await this.queries.knownUpstreamIds([step.upstreamId])).size > 0) {
          await this.applyStep(job, {
            do: 'end',
            status: 'failed',
            error: UPSTREAM_JOB_TAKEN,
          });
          return;
        }
        await this.submissionTransitions.markSubmitted(
          job,
          step.upstreamId,
          step.via,
          step.via === 'listing',
        );
        return;
      case 'resubmit':
        if (
          await this.submissionTransitions.requeueJob(
            job,
            ifUntriggered(job.lease),
            this.delay(job),
          )
        ) {
          this.logger.warn({
            msg: 'an uncertain submit made nothing and is sent again',
            jobId: job.id,
          });
          return;
        }
        return this.searchAgain(job);
      case 'end':
        // Callbacks may not keep a job open beyond its maximum age.
        if (
          await this.pollTransitions.endJob(
            job,
            step.status,
            step.error,
            step.status === 'expired' ? ifLeasedBy(job.lease) : ifUntriggered(job.lease),
          )
        ) {
          this.logger.error({ msg: `job ${step.status}`, jobId: job.id, code: step.error.code });
          return;
        }
        return this.searchAgain(job);
      case 'wait':
        await this.pollTransitions.reschedule(job, {
          seconds: step.seconds,
          answer: step.because,
          reason: UNCERTAIN_REASON,
          found: 'searched',
        });
    }
  }

  /** A callback came during the search, and may contradict it. */
  private async searchAgain(job: LeasedJob): Promise<void> {
    await this.pollTransitions.reschedule(job, {
      seconds: 0,
      answer: 'a callback came during the search',
      reason: UNCERTAIN_REASON,
      found: 'searched',
    });
  }

  /**
   * The asserted upstream id, unless it belongs to another job, is unknown to Reducto, or shows another request.
   * Proven if Reducto shows this job’s request.
   */
  private async verifyAssertedId(
    job: LeasedJob,
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
