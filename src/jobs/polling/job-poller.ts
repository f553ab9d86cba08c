import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { summaryOf, type UpstreamError } from '../../reducto/upstream-error.js';
import { ReductoClient } from '../../reducto/reducto.client.js';
import { UpstreamCheck } from '../../reducto/upstream-check.js';
import type { Permit } from '../../reducto/request-limiter.js';
import { ResultDownloadError } from '../../reducto/result-download-error.js';
import { JobMetrics } from '../persistence/job.metrics.js';
import { JobLeaseStore } from '../leases/job-lease.store.js';
import type { LeasedJob } from '../leases/leased-job.js';
import {
  stepAfterNoAnswer,
  stepAfterPoll,
  stepAfterMissingFiles,
  stepAfterMissingResult,
  jittered,
  pollLimits,
  type PollLimits,
  type PolledJob,
  type WaitOrEnd,
  type WaitReason,
} from './poll-policy.js';
import type { JobIds } from '../results/result-document.js';
import { ResultFetcher, type FetchedResult, type NewResult } from '../results/result-fetcher.js';
import { PollSlots } from './poll-slots.js';
import { PollTransitions } from './poll-transitions.js';

/** What a poll found that does not complete the job; `reason` is for its service. */
type FoundStep = WaitOrEnd & {
  readonly progress: number | null;
  readonly reason: string | null;
  /** A stored result that does not complete the job. */
  readonly unused?: FetchedResult;
  /** An answer that ends the job only if Reducto answers other requests better. */
  readonly doubtful?: UpstreamError;
};

type PollResult = FoundStep | { readonly do: 'complete'; readonly result: NewResult };

/**
 * Polls a job and applies what Reducto answers. Callbacks and the reconciler both end here: a callback is only a
 * trigger, and only Reducto’s own answer changes the job.
 */
@Injectable()
export class JobPoller {
  private readonly logger = new Logger(JobPoller.name);
  private readonly limits: PollLimits;

  constructor(
    private readonly settings: Settings,
    private readonly leases: JobLeaseStore,
    private readonly transitions: PollTransitions,
    private readonly results: ResultFetcher,
    private readonly reducto: ReductoClient,
    private readonly check: UpstreamCheck,
    private readonly metrics: JobMetrics,
    private readonly slots: PollSlots,
  ) {
    this.limits = pollLimits(settings);
  }

  /** Resolves to `release` if Reducto must not be asked now: the job keeps its turn. */
  async pollJob(job: LeasedJob): Promise<void | 'release'> {
    const claim = this.reducto.claimPoll();
    let permit: Permit | undefined;
    const found = await this.slots.withSlot(
      () => this.askReducto(job, permit),
      async () => {
        permit = await claim.spend();
      },
    );
    if (found === undefined) return 'release';
    // Outside the slot, so that the next poll waits neither for a check nor for this write.
    return this.applyResult(job, found.do === 'complete' ? found : await this.verify(job, found));
  }

  /** Does what a poll does that finds the job completed, with the `result` of a synchronous call. */
  async completeWith(job: LeasedJob, upstreamId: string, result: Buffer): Promise<void> {
    const found = await this.fetchResult(job, { own: job.id, upstream: upstreamId }, result);
    return this.applyResult(job, found, true);
  }

  private async applyResult(job: LeasedJob, found: PollResult, isAnswer = false): Promise<void> {
    if (found.do !== 'complete') return this.applyStep(job, found);
    if (await this.transitions.completeJob(job, found.result, isAnswer)) {
      this.metrics.recordFiles(found.result);
      this.logger.log({ msg: 'job completed' });
    }
  }

  private async askReducto(
    job: LeasedJob,
    permit: Permit | undefined,
  ): Promise<PollResult | undefined> {
    if (job.upstreamId === null) throw new Error('a submitted job has no upstream id');
    const answer = await this.reducto.pollJob(job.upstreamId, permit);
    if (answer.kind === 'not_asked') return undefined;
    if (answer.kind === 'unavailable' || answer.kind === 'unusable') {
      this.logger.warn({ msg: 'poll failed', reason: answer.error.message });
    }
    const step = stepAfterPoll(answer, polledJobOf(job), this.limits);
    if (step.do === 'fetch-result') {
      const ids = { own: job.id, upstream: job.upstreamId };
      return this.fetchResult(job, ids, answer.kind === 'completed' ? answer.result : null);
    }
    const progress = answer.kind === 'open' ? answer.progress : null;
    if (step.do === 'wait' && step.because === 'open' && job.cancelRequested) {
      return { ...step, progress, reason: await this.cancelAgain(job.upstreamId) };
    }
    const error = 'error' in answer ? answer.error : undefined;
    const reason = step.do === 'wait' ? reasonOf(step.because, error) : null;
    const isDoubtful = answer.kind === 'unusable' && step.do === 'end' && !answer.aboutJob;
    return { ...step, progress, reason, ...(isDoubtful ? { doubtful: answer.error } : {}) };
  }

  /** A proxy may give the answer to every request: then it says nothing about the job. */
  private async verify(job: LeasedJob, found: FoundStep): Promise<FoundStep> {
    const { doubtful: error } = found;
    if (error === undefined || (await this.check.answersProperly())) return found;
    const step = stepAfterNoAnswer(polledJobOf(job), this.limits);
    return {
      ...step,
      progress: null,
      reason: step.do === 'wait' ? reasonOf(step.because, error) : null,
    };
  }

  /** Cancels an open job again whose cancel was requested. Returns the reason for its service. */
  private async cancelAgain(upstreamId: string): Promise<string> {
    const answer = await this.reducto.cancelJob(upstreamId);
    switch (answer.kind) {
      case 'accepted':
        return 'Reducto accepted the cancel and has not ended the job; the gateway polls it again';
      case 'refused':
        return `Reducto refused to cancel the job (${answer.error.status}); the gateway polls it and cancels it again`;
      case 'unavailable':
        return `${summaryOf(answer.error)}; the gateway polls the job and cancels it again`;
    }
  }

  private async fetchResult(
    job: LeasedJob,
    ids: JobIds,
    answer: Buffer | null,
  ): Promise<PollResult> {
    const begin = performance.now();
    const seconds = (): number => (performance.now() - begin) / 1000;
    try {
      const fetched = await this.results.fetchResult(job.type, ids, answer);
      if (fetched.missing.length > 0) {
        const step = this.stepWithoutFiles(job, fetched);
        if (step !== undefined) {
          this.metrics.recordFetched('missing', seconds());
          return step;
        }
      }
      const result = await this.results.completeResult(job.id, fetched);
      this.metrics.recordFetched('stored', seconds(), Number(result.content.sizeBytes));
      this.metrics.recordUnknownLinks(fetched.unknownLinks);
      return { do: 'complete', result };
    } catch (error) {
      if (!(error instanceof ResultDownloadError)) throw error;
      this.metrics.recordFetched('missing', seconds());
      this.logger.warn({ msg: 'could not fetch a result', reason: error.message });
      const step = stepAfterMissingResult(error.message, polledJobOf(job), this.limits);
      return { ...step, progress: null, reason: reasonOf('result_missing', undefined) };
    }
  }

  /** Another attempt or the failure of a job whose result misses files; `undefined` to complete it without them. */
  private stepWithoutFiles(job: LeasedJob, fetched: FetchedResult): FoundStep | undefined {
    const { missing } = fetched;
    this.logger.warn({ msg: 'could not fetch files', count: missing.length, ...missing[0] });
    const { MISSING_FILES: inTheEnd } = this.settings;
    const step = stepAfterMissingFiles(fetched, inTheEnd, polledJobOf(job), this.limits);
    if (step === undefined) return undefined;
    const reason = `Reducto completed the job, but ${missing.length} of its files cannot be fetched; the gateway tries again`;
    return {
      ...step,
      progress: null,
      reason: step.do === 'wait' ? reason : null,
      unused: fetched,
    };
  }

  private async applyStep(job: LeasedJob, step: FoundStep): Promise<void> {
    const { unused } = step;
    if (step.do === 'end') {
      const ended = await this.transitions.endJob(job, step.status, step.error);
      // The next holder of a lost lease may need the files.
      if (unused !== undefined) {
        await (ended
          ? this.results.discardResult(unused)
          : this.results.discardForRetry(job.id, unused));
      }
      if (!ended) return;
      const level = step.status === 'expired' ? 'error' : 'log';
      this.logger[level]({ msg: `job ${step.status}`, code: step.error.code });
      return;
    }
    if (unused !== undefined) await this.results.discardForRetry(job.id, unused);
    const { progress, reason } = step;
    const seconds = jittered(step.seconds);
    await this.transitions.reschedule(job, {
      seconds,
      reason,
      answer: step.because === 'result_missing' ? 'completed, result not available' : step.because,
      found: step.because,
      ...(step.because === 'open' ? { progress } : {}),
    });
  }
}

/** Reason of the deferral, for the service. */
function reasonOf(because: WaitReason, error: UpstreamError | undefined): string | null {
  const next = 'the gateway polls the job again';
  switch (because) {
    case 'open':
      return null;
    case 'missing':
      return `Reducto does not know the job (yet); ${next}`;
    case 'unusable':
      return `Reducto’s answer about the job cannot be used; ${next}`;
    case 'result_missing':
      return `Reducto completed the job, but its result cannot be fetched; the gateway tries again`;
    case 'unavailable':
      return `${summaryOf(error)}; ${next}`;
  }
}

function polledJobOf({ polls, ages }: LeasedJob): PolledJob {
  return {
    // Entry n is the wait before poll n+1; entry 0 was used at the submit.
    polls: polls + 1,
    ageSeconds: ages.created,
    sinceSubmitSeconds: ages.submitted ?? 0,
    sinceCallbackSeconds: ages.callback,
    sinceCancelSeconds: ages.cancel,
    missingSeconds: ages.missing,
    unusableSeconds: ages.unusable,
    resultMissingSeconds: ages.resultMissing,
  };
}
