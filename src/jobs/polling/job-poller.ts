import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { inSpan } from '../../platform/tracing/spans.js';
import { collectYoungGarbage } from '../../platform/collect-garbage.js';
import type { PollAnswer } from '../../reducto/answers.js';
import { summaryOf, type UpstreamError } from '../../reducto/upstream-error.js';
import { ReductoClient } from '../../reducto/reducto.client.js';
import { ResultDownload } from '../../reducto/result-download.js';
import { ResultDownloadError } from '../../reducto/result-download-error.js';
import { JobMetrics } from '../job.metrics.js';
import { JobLease, type LeasedJob } from './job-lease.js';
import {
  stepAfterPoll,
  stepAfterMissingResult,
  jittered,
  pollLimits,
  type PollLimits,
  type PollStep,
  type PolledJob,
  type WaitOrEnd,
  type WaitReason,
} from './poll-policy.js';
import { resultContent } from '../results/result-content.js';
import { resultDocument, type JobIds } from '../results/result-document.js';
import { ResultStore } from '../results/result.store.js';
import { PollTransitions } from './poll-transitions.js';
import { SubmissionRecovery } from '../recovery/submission-recovery.js';

/**
 * Polls a job and applies what Reducto answers. Callbacks and the reconciler both end here: a callback is only a
 * trigger, and the truth is what Reducto answers to the gateway’s key.
 */
@Injectable()
export class JobPoller {
  private readonly logger = new Logger(JobPoller.name);
  private readonly limits: PollLimits;
  private readonly maxResultBytes: number;

  constructor(
    settings: Settings,
    private readonly lease: JobLease,
    private readonly transitions: PollTransitions,
    private readonly results: ResultStore,
    private readonly uncertain: SubmissionRecovery,
    private readonly reducto: ReductoClient,
    private readonly download: ResultDownload,
    private readonly metrics: JobMetrics,
  ) {
    this.limits = pollLimits(settings);
    this.maxResultBytes = settings.RESULT_MAX_BYTES;
  }

  /** Does nothing if another worker holds the lease: it will act on the trigger. */
  pollJob(jobId: string): Promise<void> {
    return this.lease.withLease(jobId, (held) =>
      held.job.status === 'uncertain' ? this.uncertain.adoptAssertedId(held) : this.poll(held),
    );
  }

  private async poll(held: LeasedJob): Promise<void> {
    const { job } = held;
    if (job.upstreamId === null) throw new Error('a submitted job has no upstream id');
    const answer = await this.reducto.pollJob(job.upstreamId);
    if (answer.kind === 'unavailable' || answer.kind === 'unusable') {
      this.logger.warn({ msg: 'poll failed', reason: answer.error.message });
    }
    const step = await this.stepAfter(answer, held);
    if (step.do === 'fetch-result') {
      const ids = { own: job.id, upstream: job.upstreamId };
      return this.complete(held, ids, answer.kind === 'completed' ? answer.result : null);
    }
    if (step.do === 'wait' && step.because === 'open' && job.cancelRequestedAt !== null) {
      const reason = await this.cancelAgain(job.upstreamId);
      return this.applyStep(held, step, answer.kind === 'open' ? answer.progress : null, reason);
    }
    const error = 'error' in answer ? answer.error : undefined;
    const reason = step.do === 'wait' ? reasonOf(step.because, error) : null;
    await this.applyStep(held, step, answer.kind === 'open' ? answer.progress : null, reason);
  }

  /** Cancels a job that is still open although it is to be cancelled. Returns why it waits. */
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

  private async stepAfter(answer: PollAnswer, held: LeasedJob): Promise<PollStep> {
    const waiting = waitingOf(held);
    const step = stepAfterPoll(answer, waiting, this.limits);
    if (answer.kind !== 'unusable' || step.do !== 'end' || answer.aboutJob) return step;
    if (await this.reducto.answersProperly()) return step;
    // Whatever answers for Reducto says the same to everything, so nothing about the job.
    const { error, rawConfig } = answer;
    return stepAfterPoll({ kind: 'unavailable', error, rawConfig }, waiting, this.limits);
  }

  /** Stores the result, then completes the job: never the other way round. */
  private async complete(held: LeasedJob, ids: JobIds, result: Buffer | null): Promise<void> {
    const { job, lease: claim } = held;
    const begin = performance.now();
    const seconds = (): number => (performance.now() - begin) / 1000;
    try {
      if (result === null) throw new ResultDownloadError('Reducto’s answer holds no result');
      const document = await resultDocument(job.type, result, ids);
      const deadline = this.download.deadline();
      const download = (url: string): AsyncIterable<Buffer> => this.download.read(url, deadline);
      const content = await inSpan('result fetch', {}, () =>
        this.results.writeContent(
          collectYoungGarbage(resultContent(document, download, ids, this.maxResultBytes)),
        ),
      );
      this.metrics.recordFetched('stored', seconds(), Number(content.sizeBytes));
      if (await this.transitions.completeJob(job, claim, content)) {
        this.logger.log({ msg: 'job completed' });
      }
    } catch (error) {
      if (!(error instanceof ResultDownloadError)) throw error;
      this.metrics.recordFetched('missing', seconds());
      this.logger.warn({ msg: 'a result could not be fetched', reason: error.message });
      const step = stepAfterMissingResult(error.message, waitingOf(held), this.limits);
      await this.applyStep(held, step, null, reasonOf('result_missing', undefined));
    }
  }

  private async applyStep(
    held: LeasedJob,
    step: WaitOrEnd,
    progress: number | null,
    reason: string | null,
  ): Promise<void> {
    const { job, lease: claim } = held;
    if (step.do === 'end') {
      const ended = await this.transitions.endJob(job, claim, step.status, step.error);
      if (!ended) return;
      const level = step.status === 'expired' ? 'error' : 'log';
      this.logger[level]({ msg: `job ${step.status}`, code: step.error.code });
      return;
    }
    const seconds = jittered(step.seconds);
    if (step.because === 'not_asked')
      return this.lease.releaseLease(held, seconds, reason ?? undefined);
    await this.transitions.reschedule(job, claim, {
      seconds,
      reason,
      answer: step.because === 'result_missing' ? 'completed, result not available' : step.because,
      missing: step.because === 'missing',
      ...(step.because === 'unavailable' ? {} : { resultMissing: isMissing(step.because) }),
      ...(step.because === 'open' ? { progress } : {}),
    });
  }
}

/** Why the job waits, as its service reads it. */
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
    case 'not_asked':
      return `Polling backs off; ${next}`;
  }
}

function isMissing(because: string): boolean {
  return because === 'unusable' || because === 'result_missing';
}

function waitingOf({ job, ages }: LeasedJob): PolledJob {
  return {
    // Entry n is the wait before poll n+1; entry 0 was used at the submit.
    polls: job.polls + 1,
    ageSeconds: ages.created,
    sinceSubmitSeconds: ages.submitted ?? 0,
    sinceCallbackSeconds: ages.callback,
    sinceCancelSeconds: ages.cancel,
    missingSeconds: ages.missing,
    resultMissingSeconds: ages.resultMissing,
  };
}
