import { Injectable, Logger } from '@nestjs/common';
import pLimit, { type LimitFunction } from 'p-limit';
import { Settings } from '../platform/config/settings.js';
import type { SubmitAnswer } from '../reducto/answers.js';
import { ReductoClient } from '../reducto/reducto.client.js';
import type { QueuedJob } from './job-claims.store.js';
import { JobTokens } from './job-token.js';
import type { Job } from './job.entity.js';
import { JobReads } from './job-reads.store.js';
import { SourceJobs } from './source-jobs.js';
import { SubmitSteps } from './submit-steps.js';
import { upstreamRequest } from './upstream-request.js';

/** How often a job looks whether the job that it builds upon has completed. */
const SOURCE_POLL_SECONDS = 2;

/**
 * Sends a queued job to Reducto: one request per attempt, and never a second one while the outcome of
 * the first is unknown. The attempt is written down before the request leaves, so that a crash in
 * between leaves a job that is known to be uncertain.
 */
@Injectable()
export class Submitter {
  private readonly logger = new Logger(Submitter.name);
  /** As many as may be on their way to Reducto at a time. */
  private readonly places: LimitFunction;
  private stopping = false;

  constructor(
    private readonly settings: Settings,
    private readonly reads: JobReads,
    private readonly steps: SubmitSteps,
    private readonly sources: SourceJobs,
    private readonly tokens: JobTokens,
    private readonly reducto: ReductoClient,
  ) {
    this.places = pLimit(settings.SUBMIT_CONCURRENCY);
  }

  /** Nothing more leaves; what has left is awaited by whoever sent it. */
  sendNoMore(): void {
    this.stopping = true;
  }

  /** A job as it has just been read. */
  async send({ job, ageSeconds, attemptSeconds }: QueuedJob): Promise<void> {
    if (job.status !== 'queued') return;
    if (attemptSeconds !== null) return this.checkUnderWay(job, attemptSeconds);
    // The wish can come while it is found out that an earlier submit made nothing.
    if (job.cancelRequestedAt !== null) return this.steps.drop(job);
    if (ageSeconds >= this.settings.JOB_MAX_AGE_SECONDS) return this.giveUp(job);

    const source = await this.sources.resolve(job);
    if (source.state === 'pending') {
      await this.steps.defer(job, job.submitAttempts, SOURCE_POLL_SECONDS);
      return;
    }
    if (source.state === 'unusable') {
      await this.steps.refuse(job, job.submitAttempts, 'failed', source.error);
      return;
    }
    const attempt = job.submitAttempts + 1;
    const { request } = source;
    const answer = await this.places(() => this.attempt(job, attempt, request));
    // No longer in its place: the next job is on its way while this one is written down.
    if (answer !== undefined) await this.record(job, attempt, answer);
  }

  private async attempt(
    job: Job,
    attempt: number,
    request: Record<string, unknown>,
  ): Promise<SubmitAnswer | undefined> {
    const begin = performance.now();
    if (this.stopping || !(await this.steps.begin(job, attempt))) return undefined;
    const body = this.bodyOf(job, request);
    // Whoever slept in between finds the attempt given up, and perhaps another one under way.
    if (performance.now() - begin > this.steps.attemptSeconds * 1000) return undefined;
    return this.reducto.submit(job.type, body);
  }

  private async record(job: Job, attempt: number, answer: SubmitAnswer): Promise<void> {
    switch (answer.kind) {
      case 'accepted': {
        const kept = await this.steps.markSubmitted(job, answer.upstreamId, 'answer');
        if (!kept) await this.dropOrphan(job, answer.upstreamId);
        return;
      }
      case 'rejected': {
        const { status, name, message } = answer.error;
        this.logger.warn({ msg: 'Reducto refused a job', status, name });
        const upstreamName = name === undefined ? {} : { upstreamName: name };
        const error = { code: 'rejected_upstream', message, ...upstreamName, retryable: false };
        await this.steps.refuse(job, attempt, 'failed', error);
        return;
      }
      case 'deferred': {
        const seconds = Math.max(answer.retryAfterSeconds ?? 0, this.backoff(attempt));
        await this.steps.defer(job, attempt, seconds, answer.error.message);
        return;
      }
      case 'unknown':
        this.logger.warn({ msg: 'the outcome of a submit is unknown', attempt });
        await this.steps.markUncertain(job, attempt, answer.error.message);
    }
  }

  /** An attempt that has not reported back in time is taken for lost: its process may have died in it. */
  private async checkUnderWay(job: Job, seconds: number): Promise<void> {
    if (seconds < this.steps.attemptSeconds - 5) return;
    this.logger.warn({ msg: 'a submit was interrupted', attempt: job.submitAttempts });
    await this.steps.markUncertain(job, job.submitAttempts, 'the attempt was interrupted');
  }

  private async giveUp(job: Job): Promise<void> {
    const error = {
      code: 'gave_up',
      message: `The job did not reach Reducto within ${this.settings.JOB_MAX_AGE_SECONDS} seconds.`,
      retryable: true,
    };
    if (!(await this.steps.refuse(job, job.submitAttempts, 'expired', error))) return;
    const { submitAttempts: attempts } = job;
    this.logger.error({ msg: 'gave up on a job that never reached Reducto', attempts });
  }

  /** The job moved on while its submit was under way: what the submit made must not run for nobody. */
  private async dropOrphan(job: Job, upstreamId: string): Promise<void> {
    const current = await this.reads.findForCallback({ id: job.id });
    if (current === null || current.upstreamId === upstreamId) return;
    this.logger.warn({ msg: 'a late submit made a job that is no longer wanted', upstreamId });
    await this.reducto.cancel(upstreamId);
  }

  private bodyOf(job: Job, request: Record<string, unknown>): Record<string, unknown> {
    const { WEBHOOK_MODE: mode, SVIX_CHANNELS: channels, callbackUrl: url } = this.settings;
    // Without callbacks nobody sends a token back, and there may be no key to make one.
    const token = mode === 'none' ? {} : { token: this.tokens.sign(job.id) };
    return upstreamRequest(
      job,
      request,
      { gateway_job_id: job.id, ...token },
      { mode, url, channels },
    );
  }

  private backoff(attempt: number): number {
    const list = this.settings.SUBMIT_BACKOFF_SECONDS;
    const planned = list[Math.min(attempt, list.length) - 1] ?? 60;
    return planned * (0.9 + Math.random() * 0.2);
  }
}
