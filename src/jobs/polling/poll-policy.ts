import type { Settings } from '../../platform/config/settings.js';
import type { PollAnswer } from '../../reducto/answers.js';
import { isUnexplained, mayHelpToRetry } from '../../reducto/upstream-error.js';
import type { FetchedFiles } from '../files/file-fetcher.js';
import { CANCELLED, expiredAfter, type JobError } from '../job-error.js';

/** State that a poll decides by. The database measures all ages, so that clock skew of gateways does not matter. */
export interface PolledJob {
  /** Polls so far that did not end the job. */
  readonly polls: number;
  readonly ageSeconds: number;
  readonly sinceSubmitSeconds: number;
  readonly sinceCallbackSeconds: number | null;
  readonly sinceCancelSeconds: number | null;
  /** Since Reducto first said that it does not know the job. */
  readonly missingSeconds: number | null;
  /** Since the first of the last answers in a row that were unusable. */
  readonly unusableSeconds: number | null;
  /** Since the first of the last polls in a row whose result could not be fetched. */
  readonly resultMissingSeconds: number | null;
}

export interface PollLimits {
  readonly scheduleSeconds: readonly number[];
  readonly maxAgeSeconds: number;
  readonly notFoundGraceSeconds: number;
  readonly resultGraceSeconds: number;
}

export function pollLimits(settings: Settings): PollLimits {
  return {
    scheduleSeconds: settings.POLL_SCHEDULE_SECONDS,
    maxAgeSeconds: settings.JOB_MAX_AGE_SECONDS,
    notFoundGraceSeconds: settings.NOT_FOUND_GRACE_SECONDS,
    resultGraceSeconds: settings.RESULT_GRACE_SECONDS,
  };
}

export type WaitReason = 'open' | 'missing' | 'unusable' | 'result_missing' | 'unavailable';

export type WaitOrEnd =
  | {
      readonly do: 'wait';
      readonly seconds: number;
      readonly because: WaitReason;
    }
  | {
      readonly do: 'end';
      readonly status: 'failed' | 'cancelled' | 'expired';
      readonly error: JobError;
    };

export type PollStep = WaitOrEnd | { readonly do: 'fetch-result' };

/** Two "not found" answers this far apart confirm each other. */
const CONFIRM_NOT_FOUND_SECONDS = 5;

/** What a request to Reducto found. */
export type AskedAnswer = Exclude<PollAnswer, { kind: 'not_asked' }>;

/** Decides the next step after Reducto’s answer. */
export function stepAfterPoll(
  answer: AskedAnswer,
  polledJob: PolledJob,
  limits: PollLimits,
): PollStep {
  switch (answer.kind) {
    case 'completed':
      return { do: 'fetch-result' };
    case 'cancelled':
      return { do: 'end', status: 'cancelled', error: CANCELLED };
    case 'failed':
      return endAsFailed(answer.error, polledJob);
    case 'not_found':
      return stepAfterNotFound(polledJob, limits);
    case 'open':
      return (
        tooOld(polledJob, limits) ?? {
          do: 'wait',
          seconds: secondsUntilNextPoll(polledJob, limits),
          because: 'open',
        }
      );
    case 'unusable':
      return stepAfterUnusable('unusable', `${answer.error.message}.`, polledJob, limits);
    case 'unavailable':
      return stepAfterNoAnswer(polledJob, limits, answer.retryAfterSeconds);
  }
}

/** Decides the next step without a usable answer. */
export function stepAfterNoAnswer(
  polledJob: PolledJob,
  limits: PollLimits,
  retryAfterSeconds = 0,
): WaitOrEnd {
  return (
    tooOld(polledJob, limits) ?? {
      do: 'wait',
      seconds: Math.min(
        Math.max(secondsUntilNextPoll(polledJob, limits), retryAfterSeconds),
        secondsLeft(polledJob, limits),
      ),
      because: 'unavailable',
    }
  );
}

/** Decides the next step if the result could not be fetched: retry within the grace period, then fail. */
export function stepAfterMissingResult(
  message: string,
  polledJob: PolledJob,
  limits: PollLimits,
): WaitOrEnd {
  const reason = `Reducto completed the job, but its result could not be fetched: ${message}`;
  return stepAfterUnusable('result_missing', reason, polledJob, limits);
}

/**
 * Decides the next step if files of the result could not be fetched: retry within the grace period, because another answer
 * may have fresh links; then fail, or `undefined` to complete the job without them.
 */
export function stepAfterMissingFiles(
  { missing, mayHelpToRetry }: Pick<FetchedFiles, 'missing' | 'mayHelpToRetry'>,
  inTheEnd: 'keep' | 'fail',
  polledJob: PolledJob,
  limits: PollLimits,
): WaitOrEnd | undefined {
  if (mayHelpToRetry) {
    const step = stepAfterUnusable('result_missing', '', polledJob, limits);
    if (step.do === 'wait') return step;
  }
  if (inTheEnd === 'keep') return undefined;
  const [first] = missing;
  const message = `Reducto completed the job, but ${missing.length} of its files could not be fetched; ${first?.name}: ${first?.reason}.`;
  return {
    do: 'end',
    status: 'failed',
    error: { code: 'result_incomplete', message, retryable: true },
  };
}

function stepAfterUnusable(
  because: 'unusable' | 'result_missing',
  message: string,
  polledJob: PolledJob,
  limits: PollLimits,
): WaitOrEnd {
  const since = because === 'unusable' ? polledJob.unusableSeconds : polledJob.resultMissingSeconds;
  const missingSeconds = since ?? 0;
  if (missingSeconds < limits.resultGraceSeconds && polledJob.ageSeconds < limits.maxAgeSeconds) {
    const seconds = Math.min(clamp(missingSeconds, 2, 60), secondsLeft(polledJob, limits));
    return { do: 'wait', seconds, because };
  }
  return {
    do: 'end',
    status: 'failed',
    error: { code: 'result_unavailable', message, retryable: true },
  };
}

/**
 * Seconds until the next poll. After a callback or a cancel the end is near, so polls are close together at first
 * and then spread out.
 */
export function secondsUntilNextPoll(
  waiting: Pick<PolledJob, 'polls' | 'ageSeconds' | 'sinceCallbackSeconds' | 'sinceCancelSeconds'>,
  limits: PollLimits,
): number {
  const { scheduleSeconds } = limits;
  const planned = scheduleSeconds[Math.min(waiting.polls, scheduleSeconds.length - 1)] ?? 60;
  const left = secondsLeft(waiting, limits);
  const triggers = [waiting.sinceCallbackSeconds, waiting.sinceCancelSeconds].filter(
    (age) => age !== null,
  );
  if (triggers.length === 0) return Math.min(planned, left);
  return Math.min(clamp(Math.min(...triggers), 1, Math.max(planned, 1)), left);
}

function stepAfterNotFound(polledJob: PolledJob, limits: PollLimits): WaitOrEnd {
  const inGrace = polledJob.sinceSubmitSeconds < limits.notFoundGraceSeconds;
  const confirmed =
    polledJob.missingSeconds !== null && polledJob.missingSeconds >= CONFIRM_NOT_FOUND_SECONDS;
  // Reducto may delete a cancelled job.
  if (confirmed && polledJob.sinceCancelSeconds !== null) {
    return { do: 'end', status: 'cancelled', error: CANCELLED };
  }
  if (!inGrace && confirmed) {
    return {
      do: 'end',
      status: 'expired',
      error: {
        code: 'unknown_upstream',
        message:
          'Reducto no longer knows this job: it was deleted, or its retention time has passed.',
        retryable: true,
      },
    };
  }
  const seconds = inGrace ? clamp(polledJob.sinceSubmitSeconds, 1, 15) : CONFIRM_NOT_FOUND_SECONDS;
  return tooOld(polledJob, limits) ?? { do: 'wait', seconds, because: 'missing' };
}

function endAsFailed(
  error: { code?: number; name?: string; message: string },
  polledJob: PolledJob,
): WaitOrEnd {
  // Reducto does not document how a cancelled job fails.
  const mayBeCancelled = isUnexplained(error) || /cancel/i.test(error.message);
  if (polledJob.sinceCancelSeconds !== null && mayBeCancelled) {
    return { do: 'end', status: 'cancelled', error: CANCELLED };
  }
  return {
    do: 'end',
    status: 'failed',
    error: {
      code: 'failed_upstream',
      message: error.message,
      ...(error.name === undefined ? {} : { upstreamName: error.name }),
      ...(error.code === undefined ? {} : { upstreamStatus: error.code }),
      retryable: mayHelpToRetry(error),
    },
  };
}

/** Spreads the polls of jobs that were created together. */
export function jittered(seconds: number): number {
  return seconds * (0.9 + Math.random() * 0.2);
}

/** Seconds until the maximum age, which no wait exceeds. */
function secondsLeft(waiting: Pick<PolledJob, 'ageSeconds'>, limits: PollLimits): number {
  return Math.max(limits.maxAgeSeconds - waiting.ageSeconds, 1);
}

function tooOld(waiting: Pick<PolledJob, 'ageSeconds'>, limits: PollLimits): WaitOrEnd | undefined {
  if (waiting.ageSeconds < limits.maxAgeSeconds) return undefined;
  return { do: 'end', status: 'expired', error: expiredAfter(limits.maxAgeSeconds) };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
