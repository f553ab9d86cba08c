import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Batches } from '../platform/batches.js';
import { withTimeout } from '../platform/with-timeout.js';
import { ApiKeyStatus } from './api-key-status.js';
import type { Forbidden, SubmitAnswer } from './answers.js';
import { ReductoClient } from './reducto.client.js';
import { concernsAll } from './upstream-error.js';

/** Time between two reads. */
const SPACING_MILLISECONDS = 500;
/** Time for a verdict, well before the attempt counts as lost. */
const VERDICT_MILLISECONDS = 10_000;

const BATCH_LIMITS = { size: 10_000, waiting: 10_000, concurrency: 1 };

type Verdict = 'accepted' | 'refused' | 'unknown';

/**
 * Says whether an answer about one job is about all jobs, by another read. Callers at the same time share a read, which begins
 * after they asked: an earlier one says nothing about a key that was revoked since.
 */
@Injectable()
export class UpstreamCheck {
  private readonly verdicts = sharedRead(() => this.judgeKey());
  private readonly probes = sharedRead(() => this.reducto.probeListing());
  /** The last job that Reducto made for this process. */
  private upstreamId: string | undefined;

  constructor(
    private readonly reducto: ReductoClient,
    private readonly apiKey: ApiKeyStatus,
  ) {}

  /** Call with each job that Reducto made. */
  recordSubmitted(upstreamId: string): void {
    this.upstreamId = upstreamId;
    if (this.apiKey.doubtListing()) this.reducto.listJobs(null, false, 1).catch(() => undefined);
  }

  /** What a 403 to a submit means. The job fails only if Reducto accepts the key for something else. */
  async judge(
    forbidden: Forbidden,
    jobId: string,
  ): Promise<Extract<SubmitAnswer, { kind: 'rejected' | 'deferred' }>> {
    let verdict: Verdict = 'unknown';
    await withTimeout(
      VERDICT_MILLISECONDS,
      this.verdicts.addItem(null).then((found) => (verdict = found)),
    );
    const answer = answerOf(forbidden, verdict);
    await this.reducto.reportVerdict(forbidden, answer, jobId);
    return answer;
  }

  /** Whether Reducto answers other requests: then an unusable answer is about one job alone. */
  async answersProperly(): Promise<boolean> {
    const answer = await this.probes.addItem(null);
    return answer.kind !== 'unavailable' || !concernsAll(answer.error);
  }

  /** By the listing, which needs the key alone; without one, by a poll of a job that Reducto made for this key. */
  private async judgeKey(): Promise<Verdict> {
    const listing = await this.reducto.listJobs(null, false, 1);
    if (listing.kind === 'page') return 'accepted';
    if (listing.kind === 'unsupported') return this.judgeByPoll();
    return listing.error.refusesKey === true ? 'refused' : 'unknown';
  }

  private async judgeByPoll(): Promise<Verdict> {
    if (this.upstreamId === undefined) return 'unknown';
    const answer = await this.reducto.pollJob(this.upstreamId);
    switch (answer.kind) {
      case 'open':
      case 'completed':
      case 'failed':
      case 'cancelled':
      case 'not_found':
        return 'accepted';
      case 'unusable':
        return answer.aboutJob ? 'accepted' : 'unknown';
      case 'unavailable':
        if (answer.error.refusesKey === true) return 'refused';
        if (answer.error.status !== 403) return 'unknown';
        this.apiKey.recordRefusal(403);
        return 'refused';
      case 'not_asked':
        return 'unknown';
    }
  }
}

/** One read at a time for all callers that wait, some time apart. */
function sharedRead<T>(read: () => Promise<T>): Batches<null, T> {
  let readAt = -Infinity;
  return new Batches(async (asked) => {
    const wait = readAt + SPACING_MILLISECONDS - performance.now();
    if (wait > 0) await setTimeout(wait);
    readAt = performance.now();
    return read().then((answer) => asked.map(() => answer));
  }, BATCH_LIMITS);
}

function answerOf(
  { error, retryAfterSeconds }: Forbidden,
  verdict: Verdict,
): Extract<SubmitAnswer, { kind: 'rejected' | 'deferred' }> {
  if (verdict === 'accepted') return { kind: 'rejected', error };
  return {
    kind: 'deferred',
    error: verdict === 'refused' ? { ...error, refusesKey: true } : error,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
}
