import type { Settings } from '../platform/config/settings.js';
import type { Look } from '../reducto/answers.js';
import { mayHelpToRetry } from '../reducto/upstream-error.js';
import { CANCELLED, gaveUp, type JobError } from './job-error.js';

/**
 * The decisions about a job that Reducto has: pure, from what is known and how long it has been so.
 * Ages are seconds measured by the database, so that the clocks of the gateways do not matter.
 */
export interface Waiting {
  /** Looks that found nothing final, until now. */
  readonly looks: number;
  readonly ageSeconds: number;
  readonly sinceSubmitSeconds: number;
  readonly sinceCallbackSeconds: number | null;
  readonly sinceCancelSeconds: number | null;
  /** Since Reducto first said that it does not know the job. */
  readonly missingSeconds: number | null;
  /** Since the result could not be fetched, or the answer not be used, for the first time. */
  readonly resultMissingSeconds: number | null;
}

export interface LookLimits {
  readonly scheduleSeconds: readonly number[];
  readonly maxAgeSeconds: number;
  readonly goneGraceSeconds: number;
  readonly resultGraceSeconds: number;
}

export function lookLimits(settings: Settings): LookLimits {
  return {
    scheduleSeconds: settings.LOOK_SCHEDULE_SECONDS,
    maxAgeSeconds: settings.JOB_MAX_AGE_SECONDS,
    goneGraceSeconds: settings.GONE_GRACE_SECONDS,
    resultGraceSeconds: settings.RESULT_GRACE_SECONDS,
  };
}

export type WaitReason =
  'open' | 'missing' | 'unusable' | 'result-missing' | 'trouble' | 'not-asked';

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

export type LookStep = WaitOrEnd | { readonly do: 'fetch-result' };

/** A "not found" must be heard twice, this far apart, before it is believed. */
const CONFIRM_GONE_SECONDS = 5;

/** What follows from an answer of Reducto's. */
export function afterLook(answer: Look, waiting: Waiting, limits: LookLimits): LookStep {
  switch (answer.kind) {
    case 'completed':
      return { do: 'fetch-result' };
    case 'cancelled':
      return { do: 'end', status: 'cancelled', error: CANCELLED };
    case 'failed':
      return endAsFailed(answer.error, waiting);
    case 'gone':
      return afterGone(waiting, limits);
    case 'open':
      return (
        tooOld(waiting, limits) ?? {
          do: 'wait',
          seconds: nextLook(waiting, limits),
          because: 'open',
        }
      );
    case 'unusable':
      return afterUnusable('unusable', `${answer.error.message}.`, waiting, limits);
    case 'trouble':
      return (
        tooOld(waiting, limits) ?? {
          do: 'wait',
          seconds: Math.min(
            Math.max(nextLook(waiting, limits), answer.retryAfterSeconds ?? 0),
            secondsLeft(waiting, limits),
          ),
          because: 'trouble',
        }
      );
    case 'not-asked':
      return (
        tooOld(waiting, limits) ?? {
          do: 'wait',
          seconds: Math.min(answer.retryAfterSeconds, secondsLeft(waiting, limits)),
          because: 'not-asked',
        }
      );
  }
}

/** What follows when a completed job's result could not be fetched: try again for a while, then fail. */
export function afterMissingResult(
  message: string,
  waiting: Waiting,
  limits: LookLimits,
): WaitOrEnd {
  const reason = `Reducto completed the job, but its result could not be fetched: ${message}`;
  return afterUnusable('result-missing', reason, waiting, limits);
}

function afterUnusable(
  because: 'unusable' | 'result-missing',
  message: string,
  waiting: Waiting,
  limits: LookLimits,
): WaitOrEnd {
  const missingSeconds = waiting.resultMissingSeconds ?? 0;
  if (missingSeconds < limits.resultGraceSeconds && waiting.ageSeconds < limits.maxAgeSeconds) {
    const seconds = Math.min(clamp(missingSeconds, 2, 60), secondsLeft(waiting, limits));
    return { do: 'wait', seconds, because };
  }
  return {
    do: 'end',
    status: 'failed',
    error: { code: 'result_unavailable', message, retryable: true },
  };
}

/**
 * Seconds until the next look. Right after a callback or a cancel the end is near, so looks are
 * close together at first and spread out as time goes by without one.
 */
export function nextLook(
  waiting: Pick<Waiting, 'looks' | 'ageSeconds' | 'sinceCallbackSeconds' | 'sinceCancelSeconds'>,
  limits: LookLimits,
): number {
  const { scheduleSeconds } = limits;
  const planned = scheduleSeconds[Math.min(waiting.looks, scheduleSeconds.length - 1)] ?? 60;
  const left = secondsLeft(waiting, limits);
  const hints = [waiting.sinceCallbackSeconds, waiting.sinceCancelSeconds].filter(
    (age) => age !== null,
  );
  if (hints.length === 0) return Math.min(planned, left);
  return Math.min(clamp(Math.min(...hints), 1, Math.max(planned, 1)), left);
}

function afterGone(waiting: Waiting, limits: LookLimits): WaitOrEnd {
  const inGrace = waiting.sinceSubmitSeconds < limits.goneGraceSeconds;
  const confirmed =
    waiting.missingSeconds !== null && waiting.missingSeconds >= CONFIRM_GONE_SECONDS;
  // A job that was to be cancelled may be gone because it is; yet one "not found" proves nothing here either.
  if (confirmed && waiting.sinceCancelSeconds !== null) {
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
  const seconds = inGrace ? clamp(waiting.sinceSubmitSeconds, 1, 15) : CONFIRM_GONE_SECONDS;
  return tooOld(waiting, limits) ?? { do: 'wait', seconds, because: 'missing' };
}

function endAsFailed(error: { name?: string; message: string }, waiting: Waiting): WaitOrEnd {
  // How a cancelled job shows is not documented; asked for and named so, it is one.
  if (waiting.sinceCancelSeconds !== null && /cancel/i.test(error.message)) {
    return { do: 'end', status: 'cancelled', error: CANCELLED };
  }
  return {
    do: 'end',
    status: 'failed',
    error: {
      code: 'failed_upstream',
      message: error.message,
      ...(error.name === undefined ? {} : { upstreamName: error.name }),
      retryable: mayHelpToRetry(error),
    },
  };
}

/** Spreads waits, so that jobs which were made together do not come back together. */
export function jittered(seconds: number): number {
  return seconds * (0.9 + Math.random() * 0.2);
}

/** Until the maximum age, which no wait outlasts. */
function secondsLeft(waiting: Pick<Waiting, 'ageSeconds'>, limits: LookLimits): number {
  return Math.max(limits.maxAgeSeconds - waiting.ageSeconds, 1);
}

function tooOld(waiting: Pick<Waiting, 'ageSeconds'>, limits: LookLimits): WaitOrEnd | undefined {
  if (waiting.ageSeconds < limits.maxAgeSeconds) return undefined;
  return { do: 'end', status: 'expired', error: gaveUp(limits.maxAgeSeconds) };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
