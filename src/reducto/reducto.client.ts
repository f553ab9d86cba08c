import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Settings } from '../platform/config/settings.js';
import { ApiKeyStatus } from './api-key-status.js';
import type {
  CallAnswer,
  CancelAnswer,
  DeleteAnswer,
  Forbidden,
  ListAnswer,
  PollAnswer,
  SubmitAnswer,
} from './answers.js';
import { readCallAnswer, readList, readPollAnswer, readUpstreamId } from './read-answers.js';
import type { Permit, PermitClaim, RequestLimiter } from './request-limiter.js';
import { UPSTREAM_ERROR_NAMES } from './errors/upstream-error-names.js';
import { upstreamText } from './upstream-text.js';
import { UpstreamMetrics } from './upstream.metrics.js';
import { UpstreamRateLimiter } from './upstream-rate-limiter.js';
import { concernsAll, type UpstreamError } from './upstream-error.js';
import { UpstreamRequests, type Outcome } from './upstream-requests.js';

/** The endpoints of the asynchronous API, by job type. */
const SUBMIT_PATH = {
  parse: '/parse_async',
  extract: '/extract_async',
  split: '/split_async',
  edit: '/edit_async',
  classify: '/classify_async',
  pipeline: '/pipeline_async',
} as const;

/** From then on, Reducto counts as unavailable for submits. */
const MAX_UNKNOWN_IN_ROW = 5;

const MAX_VERSION = 200;

const FORBIDDEN = 403;
const PROXY_NEEDS_LOGIN = 407;

type Failure = Extract<Outcome, { ok: false }>;

/** What a submit needs to know of its job, beside the request. */
export interface JobToSubmit {
  readonly id: string;
  readonly type: keyof typeof SUBMIT_PATH;
  readonly service: string;
}

/** Reducto’s job API. Each call is one request. Answers are values, so that callers handle every outcome. */
@Injectable()
export class ReductoClient {
  /** Ids of jobs whose last request failed: Reducto’s for polls, the gateway’s for submits. */
  private readonly failing = new LRUCache<string, true>({ max: 10_000, ttl: 600_000 });

  /** Submits in a row that were answered with 5xx, so that nobody knows whether they made jobs. */
  private unknownInRow = 0;

  constructor(
    private readonly settings: Settings,
    private readonly requests: UpstreamRequests,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly metrics: UpstreamMetrics,
    private readonly apiKey: ApiKeyStatus,
  ) {}

  /** Submits `body`, JSON text. The caller has a permit of the rate limiter. */
  async submitJob(job: JobToSubmit, body: string): Promise<SubmitAnswer | Forbidden> {
    const begin = performance.now();
    const answer = await this.metrics.measure('submit', () => this.post(job, body, begin));
    await this.reportSubmit(answer, begin, job.id);
    return answer;
  }

  private async post(
    job: JobToSubmit,
    body: string,
    begin: number,
  ): Promise<SubmitAnswer | Forbidden> {
    const outcome = await this.requests.send('POST', SUBMIT_PATH[job.type], {
      body,
      timeoutSeconds: this.settings.REDUCTO_SUBMIT_TIMEOUT_SECONDS,
      ...this.userIdOf(job),
    });
    if (outcome.ok) {
      const upstreamId = readUpstreamId(outcome.answer.body);
      if (upstreamId !== undefined) return { kind: 'accepted', upstreamId };
      return {
        kind: 'unknown',
        error: { message: 'Reducto’s answer to the submit holds no job id' },
      };
    }
    if (job.type === 'classify' && isNoEndpoint(outcome)) {
      return { kind: 'no_endpoint', error: outcome.error };
    }
    return this.answerAfterFailure(outcome, 'submit', begin);
  }

  /**
   * Runs a classify job with `body`, JSON text, in one call, which lasts as long as the job. The caller has a permit of
   * the rate limiter. `stop` ends the call without an answer.
   */
  async classify(
    job: JobToSubmit,
    body: string,
    stop: AbortSignal,
  ): Promise<CallAnswer | Forbidden> {
    const begin = performance.now();
    const answer = await this.metrics.measure('classify', () => this.call(job, body, stop, begin));
    await this.reportSubmit(answer, begin, job.id);
    return answer;
  }

  private async call(
    job: JobToSubmit,
    body: string,
    stop: AbortSignal,
    begin: number,
  ): Promise<CallAnswer | Forbidden> {
    const timeout = AbortSignal.timeout(this.settings.REDUCTO_CLASSIFY_TIMEOUT_SECONDS * 1000);
    const outcome = await this.requests.send('POST', '/classify', {
      body,
      timeoutSeconds: AbortSignal.any([timeout, stop]),
      ...this.userIdOf(job),
    });
    if (outcome.ok) return readCallAnswer(outcome.answer);
    const { error, reductos } = outcome;
    if (stop.aborted) {
      return { kind: 'unknown', error: { message: 'The gateway was stopped during the call' } };
    }
    const { status = 0, name } = error;
    // An error of the job rather than of a proxy has a name.
    if (status >= 500 && status !== 503 && reductos && name !== undefined) {
      return { kind: 'failed', error };
    }
    return this.answerAfterFailure(outcome, 'classify', begin);
  }

  /** What a failed submit or synchronous call says about the job. */
  private answerAfterFailure(
    outcome: Failure,
    call: Forbidden['call'],
    begin: number,
  ): Extract<SubmitAnswer, { kind: 'rejected' | 'deferred' | 'unknown' }> | Forbidden {
    const { error, reductos, delay } = outcome;
    const { status, name = '' } = error;
    if (outcome.neverSent) return { kind: 'deferred', error };
    if (error.refusesKey === true) return { kind: 'deferred', error, ...delay };
    const isOfJob = reductos && name !== 'AUTH_ERROR' && UPSTREAM_ERROR_NAMES.has(name);
    if (status === FORBIDDEN && !isOfJob) {
      return { kind: 'forbidden', call, begin, error, ...delay };
    }
    if (status === 429 || status === 503 || isRedirect(status) || status === PROXY_NEEDS_LOGIN) {
      return { kind: 'deferred', error, ...delay };
    }
    if (status !== undefined && [404, 405].includes(status) && !reductos) {
      return { kind: 'deferred', error };
    }
    if (status !== undefined && status >= 400 && status < 500 && status !== 408) {
      return { kind: 'rejected', error };
    }
    return { kind: 'unknown', error };
  }

  private userIdOf({ service }: JobToSubmit): { userId?: string } {
    if (this.settings.REDUCTO_USER_ID !== 'service') return {};
    // Names of services need no encoding; another name would not break the header.
    return { userId: encodeURIComponent(service.toWellFormed()) };
  }

  /**
   * Polls one job, within the rate limit. `upstreamId` must have passed `isUpstreamId`: it goes
   * into the path as it is.
   */
  async pollJob(upstreamId: string, permit?: Permit): Promise<PollAnswer> {
    const acquired = permit ?? (await this.rateLimiter.polls.acquirePermit());
    if (!acquired.granted) {
      return { kind: 'not_asked', retryAfterSeconds: acquired.seconds, rawConfig: null };
    }
    const begin = performance.now();
    const answer = await this.metrics.measure('poll', () => this.requestJob(upstreamId));
    return this.reported(answer, begin, upstreamId);
  }

  /** Claims the permit of a poll that waits for a slot. */
  claimPoll(): PermitClaim {
    return this.rateLimiter.polls.claimPermit();
  }

  private async requestJob(upstreamId: string): Promise<PollAnswer> {
    const outcome = await this.requests.read('GET', `/job/${upstreamId}`);
    if (outcome.ok) return readPollAnswer(outcome.answer, upstreamId);
    const { error, reductos, delay } = outcome;
    if (reductos && isGone(error)) return { kind: 'not_found', error, rawConfig: null };
    return { kind: 'unavailable', error, rawConfig: null, ...delay };
  }

  /**
   * One page of all jobs of this key, within the rate limit of polls. `withConfigs` asks for the requests too, which
   * makes it heavy.
   */
  async listJobs(cursor: string | null, withConfigs: boolean, size: number): Promise<ListAnswer> {
    const permit = await this.rateLimiter.polls.acquirePermit();
    if (!permit.granted) {
      const error = { message: 'The listing was not read: the limit of polls is reached' };
      return { kind: 'unavailable', error, retryAfterSeconds: permit.seconds };
    }
    return this.readPage(cursor, withConfigs, size);
  }

  /**
   * One job of the listing, also in a cool-down: an answer to a poll may have begun it that is about one job alone. Such
   * polls are rare then, and so are the reads that follow them.
   */
  async probeListing(): Promise<ListAnswer> {
    await this.rateLimiter.polls.acquirePermit();
    return this.readPage(null, false, 1);
  }

  private async readPage(
    cursor: string | null,
    withConfigs: boolean,
    size: number,
  ): Promise<ListAnswer> {
    const begin = performance.now();
    const answer = await this.metrics.measure('list', () => this.page(cursor, withConfigs, size));
    return this.reported(answer, begin);
  }

  private async page(
    cursor: string | null,
    withConfigs: boolean,
    size: number,
  ): Promise<ListAnswer> {
    const outcome = await this.requests.read('GET', '/jobs', {
      limit: String(size),
      exclude_configs: String(!withConfigs),
      ...(cursor === null ? {} : { cursor }),
    });
    if (outcome.ok) {
      this.apiKey.recordListing('readable');
      return readList(outcome.answer.body);
    }
    const { error, reductos, delay } = outcome;
    if (reductos && [404, 405, 501].includes(error.status ?? 0)) return { kind: 'unsupported' };
    if (error.status !== FORBIDDEN) return { kind: 'unavailable', error, ...delay };
    this.apiKey.recordListing('refused');
    if (this.apiKey.mayNotList) return { kind: 'unsupported' };
    // The listing needs the key alone.
    this.apiKey.recordRefusal(FORBIDDEN);
    return { kind: 'unavailable', error: { ...error, refusesKey: true }, ...delay };
  }

  /**
   * Deletes a job that has ended. Outside the rate limit, like cancels. Polls get a cool-down if the key is refused, or if Reducto
   * does not answer, answers 429, or 503: any other failure may be of deletions alone.
   */
  async deleteJob(upstreamId: string, includePersisted: boolean): Promise<DeleteAnswer> {
    const begin = performance.now();
    const query = { include_persisted: String(includePersisted) };
    const answer = await this.delete(`/job/${upstreamId}`, query);
    const error = answer.kind === 'unavailable' ? answer.error : undefined;
    if (error === undefined || error.refusesKey === true || isOverloaded(error)) {
      await this.report(this.rateLimiter.polls, begin, error, upstreamId, undefined);
    }
    return answer;
  }

  /** Deletes an uploaded file. */
  deleteUpload(fileId: string): Promise<DeleteAnswer> {
    return this.delete(`/upload/${encodeURIComponent(fileId)}`);
  }

  private delete(path: string, query?: Record<string, string>): Promise<DeleteAnswer> {
    return this.metrics.measure('delete', async (): Promise<DeleteAnswer> => {
      const outcome = await this.requests.read('DELETE', path, query);
      if (outcome.ok) return { kind: 'deleted', found: true };
      const { error, reductos } = outcome;
      if (!reductos) return { kind: 'unavailable', error };
      if (isGone(error)) return { kind: 'deleted', found: false };
      const isFinal = [400, 405, 409, 422].includes(error.status ?? 0);
      return { kind: isFinal ? 'refused' : 'unavailable', error };
    });
  }

  /** Reducto’s own version; `undefined` without a proper answer. Outside the rate limit: it is asked rarely. */
  async readVersion(): Promise<string | undefined> {
    const outcome = await this.requests.read('GET', '/version');
    const version = outcome.ok ? outcome.answer.body : undefined;
    return typeof version === 'string' ? upstreamText(version, MAX_VERSION) : undefined;
  }

  cancelJob(upstreamId: string): Promise<CancelAnswer> {
    return this.metrics.measure('cancel', () => this.sendCancel(upstreamId));
  }

  private async sendCancel(upstreamId: string): Promise<CancelAnswer> {
    const outcome = await this.requests.read('POST', `/cancel/${upstreamId}`);
    if (outcome.ok) return { kind: 'accepted' };
    const { error, reductos, delay } = outcome;
    const { status = 0 } = error;
    const refused = status >= 400 && status < 500 && !concernsAll(error);
    return reductos && refused
      ? { kind: 'refused', error }
      : { kind: 'unavailable', error, ...delay };
  }

  /** Counts and reports what `forbidden` turned out to mean. */
  reportVerdict(forbidden: Forbidden, answer: SubmitAnswer, jobId: string): Promise<void> {
    this.metrics.countAnswer(forbidden.call, answer.kind);
    return this.reportSubmit(answer, forbidden.begin, jobId);
  }

  /** Never rejects: the answer must be stored even if the database is away now. */
  private reportSubmit(
    answer: SubmitAnswer | CallAnswer | Forbidden,
    begin: number,
    jobId: string,
  ): Promise<void> {
    return this.reportAnswer(answer, begin, jobId).catch(() => undefined);
  }

  /** A lost answer alone says little: the job is uncertain, and others may pass. */
  private async reportAnswer(
    answer: SubmitAnswer | CallAnswer | Forbidden,
    begin: number,
    jobId: string,
  ): Promise<void> {
    const { submits } = this.rateLimiter;
    if (answer.kind !== 'unknown') this.unknownInRow = 0;
    switch (answer.kind) {
      case 'forbidden':
        // `UpstreamCheck` reports what it means.
        return undefined;
      case 'accepted':
      case 'rejected':
      case 'completed':
      case 'failed':
      case 'no_endpoint':
        return this.report(submits, begin, undefined, jobId, undefined);
      case 'deferred':
        return this.report(submits, begin, answer.error, jobId, answer.retryAfterSeconds);
      case 'unknown':
        if (answer.error.status === undefined) return undefined;
        this.unknownInRow += 1;
        if (this.unknownInRow < MAX_UNKNOWN_IN_ROW) return undefined;
        return this.report(submits, begin, answer.error, jobId, undefined);
    }
  }

  /** Reports the outcome of a read to the rate limiter. */
  private async reported<Answer extends PollAnswer | ListAnswer>(
    answer: Answer,
    begin: number,
    upstreamId?: string,
  ): Promise<Answer> {
    const unclear =
      answer.kind === 'unavailable' || (answer.kind === 'unusable' && !answer.aboutJob);
    const error = unclear && concernsAll(answer.error) ? answer.error : undefined;
    const retryAfter = answer.kind === 'unavailable' ? answer.retryAfterSeconds : undefined;
    await this.report(this.rateLimiter.polls, begin, error, upstreamId, retryAfter);
    return answer;
  }

  /** @param error if the outcome concerns all requests */
  private async report(
    limiter: RequestLimiter,
    begin: number,
    error: UpstreamError | undefined,
    job: string | undefined,
    retryAfterSeconds: number | undefined,
  ): Promise<void> {
    if (error === undefined) {
      if (job !== undefined) this.failing.delete(job);
      const seconds = (performance.now() - begin) / 1000;
      await limiter.reportOutcome('answered', { seconds });
    } else if (error.refusesKey === true) {
      await limiter.reportOutcome('unavailable', { retryAfterSeconds, isPersistent: true });
    } else if (job === undefined || !this.isFailing(job, error)) {
      await limiter.reportOutcome('unavailable', { retryAfterSeconds });
    }
  }

  /** One job whose requests keep failing must not start a cool-down for all jobs. */
  private isFailing(job: string, { status }: UpstreamError): boolean {
    const known = this.failing.has(job);
    this.failing.set(job, true);
    return known && status !== undefined && status !== 429;
  }
}

/** Reducto does not know the job, has deleted it, or deletes it. Another 409 may pass. */
function isGone({ status, name }: UpstreamError): boolean {
  return (
    status === 404 || status === 410 || (status === 409 && name === 'JOB_DELETION_IN_PROGRESS')
  );
}

/** Whether Reducto answers that it has no such path. A document that it does not find has a name or another text. */
function isNoEndpoint({ error, reductos }: Failure): boolean {
  const { status, name, message } = error;
  if (status === 405) return true;
  return status === 404 && name === undefined && (!reductos || message === 'Not Found');
}

function isOverloaded({ status }: UpstreamError): boolean {
  return status === undefined || status === 429 || status === 503;
}

/** Reducto does not redirect; a redirecting proxy did not forward the request. */
function isRedirect(status: number | undefined): boolean {
  return status !== undefined && status >= 300 && status < 400;
}
