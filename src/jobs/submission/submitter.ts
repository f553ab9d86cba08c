import { setTimeout as setTimer } from 'node:timers';
import { setTimeout } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import {
  classifyDatabaseError,
  isTransient,
  sqlStateOf,
} from '../../platform/database/database-errors.js';
import { ShutdownDeadline } from '../../platform/config/shutdown-deadline.js';
import { WorkerLock } from '../../platform/work/worker-lock.js';
import type { CallAnswer, Forbidden, SubmitAnswer } from '../../reducto/answers.js';
import { mayHelpToRetry, summaryOf } from '../../reducto/upstream-error.js';
import { ReductoClient } from '../../reducto/reducto.client.js';
import type { PermitClaim } from '../../reducto/request-limiter.js';
import { UpstreamCheck } from '../../reducto/upstream-check.js';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import {
  UNSTORABLE,
  UNSTORABLE_SUBMIT,
  UPSTREAM_JOB_TAKEN,
  UPSTREAM_UNUSABLE,
  type JobError,
} from '../job-error.js';
import { JobFailureHandler } from '../leases/job-failure.handler.js';
import { JobPoller } from '../polling/job-poller.js';
import type { QueuedJob } from './submission-queue.store.js';
import { CallbackTokenService } from '../callback-token.service.js';
import { ClassifyEndpoint } from './classify-endpoint.js';
import { DependentJobs } from './dependent-jobs.js';
import { InputJobs } from './input-jobs.js';
import { SubmissionSlots } from './submission-slots.js';
import { SubmissionTransitions } from './submission-transitions.js';
import { isSurelyV3, shapeOf, upstreamRequest, type RequestShape } from './upstream-request.js';

/** Time after the begin of an attempt within which its request may be sent, well before the attempt counts as lost. */
const LEAVES_WITHIN_SECONDS = 5;
const RECORD_RETRY_MILLISECONDS = 250;

/** Time at shutdown in which the gateway records what it knows of the calls that it stops. */
const RECORD_MILLISECONDS = 2000;

type Answer = SubmitAnswer | CallAnswer;

interface Attempted {
  readonly attempt: number;
  readonly outcome: Answer | Forbidden | 'lost' | 'unsent';
}

/** A way to send a job to Reducto. */
interface Way {
  /** Waits for a slot, and for what `before` waits for. */
  withSlot(work: () => Promise<Attempted>, before: () => Promise<void>): Promise<Attempted>;
  /** JSON text for Reducto. */
  bodyOf(job: QueuedJob, request: string): string | Promise<string>;
  send(job: QueuedJob, body: string): Promise<Answer | Forbidden>;
}

/** The answer of a Reducto that has no `/classify_async`, as known from an earlier answer. */
const NO_ENDPOINT = {
  kind: 'no_endpoint',
  error: { message: 'Reducto has no /classify_async' },
} as const satisfies SubmitAnswer;

/**
 * Sends a queued job to Reducto, one request per attempt, never while the outcome of an earlier one is unknown. The
 * attempt is recorded before the request is sent, so that a crash leaves an uncertain job.
 */
@Injectable()
export class Submitter {
  private readonly logger = new Logger(Submitter.name);
  private stopping = false;
  private readonly stoppedCalls = new AbortController();
  private readonly submit: Way;
  private readonly call: Way;

  constructor(
    private readonly settings: Settings,
    private readonly transitions: SubmissionTransitions,
    private readonly inputs: InputJobs,
    private readonly dependents: DependentJobs,
    private readonly tokens: CallbackTokenService,
    reducto: ReductoClient,
    private readonly check: UpstreamCheck,
    slots: SubmissionSlots,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly lock: WorkerLock,
    private readonly shutdownDeadline: ShutdownDeadline,
    private readonly endpoint: ClassifyEndpoint,
    private readonly poller: JobPoller,
    private readonly failureHandler: JobFailureHandler,
  ) {
    this.submit = {
      withSlot: (work, before) => slots.withSlot(work, before),
      bodyOf: (job, request) => this.submitBodyOf(job, request),
      send: (job, body) => reducto.submitJob(job, body),
    };
    this.call = {
      // `ClassifyWork` leases no more jobs than it has slots.
      withSlot: async (work, before) => {
        await before();
        return work();
      },
      bodyOf: (_job, request) => request,
      send: (job, body) => reducto.classify(job, body, this.stoppedCalls.signal),
    };
  }

  /** Sends nothing more; requests under way are awaited by their callers. */
  stopSending(): void {
    this.stopping = true;
  }

  /** The same for synchronous calls, which it ends in time to record that their outcome is unknown. */
  stopCalls(): void {
    this.stopping = true;
    const left = this.shutdownDeadline.leftMilliseconds - RECORD_MILLISECONDS;
    setTimer(() => this.stoppedCalls.abort(), Math.max(left, 0)).unref();
  }

  /** Submits a leased job. Resolves to `release` if nothing was sent and it should be due again. */
  submitJob(job: QueuedJob): Promise<void | 'release'> {
    return this.sendJob(job, this.submit);
  }

  /** Runs a leased classify job in one call. Resolves as `submitJob` does. */
  callForJob(job: QueuedJob): Promise<void | 'release'> {
    return this.sendJob(job, this.call);
  }

  private async sendJob(job: QueuedJob, way: Way): Promise<void | 'release'> {
    const progress = { mayHaveLeft: false };
    const permit = this.rateLimiter.submits.claimPermit();
    try {
      return await this.sendOnce(job, way, permit, progress);
    } catch (error) {
      if (progress.mayHaveLeft) {
        // It becomes uncertain when its lease ends.
        this.logger.error({ msg: 'the outcome of a submit was not stored', err: error });
        return undefined;
      }
      if (isTransient(error)) return 'release';
      const kind = classifyDatabaseError(error);
      // The message of PostgreSQL may quote the data.
      const cause = kind === 'data' ? { sqlState: sqlStateOf(error) } : { err: error };
      this.logger.error({ msg: 'could not send a job', ...cause });
      if (kind === 'data') {
        const reason = job.attemptSeconds === null ? UNSTORABLE : UNSTORABLE_SUBMIT;
        await this.transitions.endUnsubmitted(job, job.attempts, 'failed', reason);
        return undefined;
      }
      const seconds = this.settings.SUBMIT_BACKOFF_SECONDS.at(-1) ?? 60;
      await this.transitions.deferSubmit(job, job.attempts, {
        seconds,
        reason: 'The gateway could not send the job and tries again',
        failure: 'the gateway could not send the job',
      });
      return undefined;
    } finally {
      permit.giveBack();
    }
  }

  private async sendOnce(
    job: QueuedJob,
    way: Way,
    permit: PermitClaim,
    progress: { mayHaveLeft: boolean },
  ): Promise<void | 'release'> {
    if (!job.begun && (await this.isOver(job))) return undefined;
    const source = await this.inputs.resolveReferences(job);
    if (source.state === 'pending') {
      return (await this.dependents.deferJob(job, source.open)) ? undefined : 'release';
    }
    if (source.state === 'unusable') {
      await this.transitions.endUnsubmitted(job, job.attempts, 'failed', source.error);
      return undefined;
    }
    let isPermitted = false;
    const { outcome, attempt } = await way.withSlot(
      async () =>
        isPermitted
          ? this.attempt(job, way, source.request, progress)
          : { attempt: job.attempts, outcome: 'unsent' },
      async () => {
        isPermitted = (await permit.spend()).granted;
      },
    );
    if (outcome === 'lost') return undefined;
    if (outcome === 'unsent') return 'release';
    // Outside the slot, so that the next request waits neither for a verdict nor for this write.
    const answer = outcome.kind === 'forbidden' ? await this.check.judge(outcome, job.id) : outcome;
    await this.recordOnceAvailable(job, attempt, answer);
    return undefined;
  }

  /** This process alone knows the answer: it keeps it for as long as the database cannot store it. */
  private async recordOnceAvailable(
    job: QueuedJob,
    attempt: number,
    answer: Answer,
  ): Promise<void> {
    for (;;) {
      try {
        return await this.record(job, attempt, answer);
      } catch (error) {
        const isLate = this.stopping && this.shutdownDeadline.leftMilliseconds === 0;
        if (!isTransient(error) || isLate) throw error;
        await setTimeout(RECORD_RETRY_MILLISECONDS);
      }
    }
  }

  /** An answer that PostgreSQL refuses ends the job: the request is not sent again. */
  private async record(job: QueuedJob, attempt: number, answer: Answer): Promise<void> {
    try {
      await this.recordAnswer(job, attempt, answer);
    } catch (error) {
      if (classifyDatabaseError(error) !== 'data') throw error;
      const accepted = answer.kind === 'accepted' || answer.kind === 'completed';
      // An accepted job can only violate the unique upstream id.
      const reason = accepted ? UPSTREAM_JOB_TAKEN : UPSTREAM_UNUSABLE;
      const sqlState = sqlStateOf(error);
      this.logger.error({ msg: 'could not store the answer to a submit', attempt, sqlState });
      await this.transitions.endUnsubmitted(job, attempt, 'failed', reason);
    }
  }

  /** Whether the job must not be sent now: it is under way, cancelled, or past the maximum age. */
  private async isOver(job: QueuedJob): Promise<boolean> {
    if (job.attemptSeconds !== null) {
      await this.checkUnderWay(job, job.attemptSeconds);
    } else if (job.cancelRequested) {
      // The cancel may arrive during the recovery of an earlier submit.
      await this.transitions.cancelUnsent(job);
    } else if (job.ageSeconds >= this.settings.JOB_MAX_AGE_SECONDS) {
      await this.expireJob(job);
    } else {
      return false;
    }
    return true;
  }

  private async attempt(
    job: QueuedJob,
    way: Way,
    request: string,
    progress: { mayHaveLeft: boolean },
  ): Promise<Attempted> {
    const { id, begun, attempts } = job;
    let begin = job.leasedAt;
    let attempt = attempts;
    const body = way.bodyOf(job, request);
    const text = typeof body === 'string' ? body : await body;
    // Learned since the job was leased.
    if (job.type === 'classify' && way === this.submit && this.endpoint.isAbsent) {
      return { attempt, outcome: NO_ENDPOINT };
    }
    if (!begun) {
      if (this.stopping) return { attempt, outcome: 'unsent' };
      begin = performance.now();
      attempt += 1;
      if (!(await this.transitions.beginAttempt({ id, attempt }, job.lease))) {
        return { attempt, outcome: 'lost' };
      }
    }
    const late = performance.now() - begin > LEAVES_WITHIN_SECONDS * 1000;
    // Others may take a worker without its lock for dead, and its attempts for uncertain.
    if (this.stopping || late || this.lock.heldBy !== job.worker)
      return { attempt, outcome: 'unsent' };
    progress.mayHaveLeft = true;
    return { attempt, outcome: await way.send(job, text) };
  }

  private async recordAnswer(job: QueuedJob, attempt: number, answer: Answer): Promise<void> {
    switch (answer.kind) {
      case 'accepted':
        this.check.recordSubmitted(answer.upstreamId);
        await this.transitions.markSubmitted(job, answer.upstreamId, 'answer');
        return;
      case 'completed':
        this.check.recordSubmitted(answer.upstreamId);
        await this.completeJob(job, answer.upstreamId, answer.result);
        return;
      case 'rejected':
      case 'failed': {
        const { status, name, message, fields } = answer.error;
        this.logger.warn({ msg: `Reducto ${answer.kind} a job`, status, name });
        const upstreamName = name === undefined ? {} : { upstreamName: name };
        await this.transitions.endUnsubmitted(job, attempt, 'failed', {
          code: answer.kind === 'rejected' ? 'rejected_upstream' : 'failed_upstream',
          message,
          ...upstreamName,
          ...(status === undefined ? {} : { upstreamStatus: status }),
          ...(fields === undefined ? {} : { upstreamFields: fields }),
          retryable: mayHelpToRetry(answer.error),
        });
        return;
      }
      case 'no_endpoint':
        this.endpoint.recordAbsent();
        await this.transitions.leaveToCalls(job, attempt);
        return;
      case 'deferred': {
        const planned = Math.max(answer.retryAfterSeconds ?? 0, this.backoff(attempt));
        const left = Math.max(this.settings.JOB_MAX_AGE_SECONDS - job.ageSeconds, 1);
        const seconds = Math.min(planned, left);
        const reason = `${summaryOf(answer.error)}; the gateway submits the job again`;
        await this.transitions.deferSubmit(job, attempt, {
          seconds,
          reason,
          failure: answer.error.message,
        });
        return;
      }
      case 'unknown':
        this.logger.warn({ msg: 'the outcome of a submit is unknown', attempt });
        await this.transitions.markUncertain(job, attempt, answer.error.message);
    }
  }

  /** Completes a job with the answer to a synchronous call, by the same steps as a poll. */
  private async completeJob(job: QueuedJob, upstreamId: string, result: Buffer): Promise<void> {
    const answered = await this.transitions.markAnswered(job, upstreamId);
    if (answered === undefined) return;
    await this.poller
      .completeWith(answered, upstreamId, result)
      .catch((error: unknown) => this.failureHandler.handle(answered, error));
  }

  /** An attempt without an outcome in time counts as lost: its process may have crashed. */
  private async checkUnderWay(job: QueuedJob, seconds: number): Promise<void> {
    if (seconds < this.transitions.attemptSeconds - 5) return;
    this.logger.warn({ msg: 'a submit was interrupted', attempt: job.attempts });
    await this.transitions.markUncertain(job, job.attempts, 'the attempt was interrupted');
  }

  private async expireJob(job: QueuedJob): Promise<void> {
    const error: JobError = {
      code: 'max_age_exceeded',
      message: `The job did not reach Reducto within ${this.settings.JOB_MAX_AGE_SECONDS} seconds.`,
      retryable: true,
    };
    if (!(await this.transitions.endUnsubmitted(job, job.attempts, 'expired', error))) return;
    const { attempts } = job;
    this.logger.error({ msg: 'job expired before it reached Reducto', attempts });
  }

  private submitBodyOf(job: QueuedJob, request: string): string | Promise<string> {
    if (isSurelyV3(job.type, request)) return this.withCallback(job, request, 'v3');
    return shapeOf(job.type, request).then((shape) => this.withCallback(job, request, shape));
  }

  private withCallback(job: QueuedJob, request: string, shape: RequestShape): string {
    const { WEBHOOK_MODE: mode, SVIX_CHANNELS: channels, callbackUrl: url } = this.settings;
    // Polling alone needs no keys.
    const token = this.tokens.isEnabled ? { token: this.tokens.signJobId(job.id) } : {};
    return upstreamRequest(
      job,
      request,
      shape,
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
