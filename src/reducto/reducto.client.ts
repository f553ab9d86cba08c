import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Settings } from '../platform/config/settings.js';
import type { AnswerBody } from './answer-body.js';
import type { CancelAnswer, ListAnswer, PollAnswer, SubmitAnswer } from './answers.js';
import { readList, readPollAnswer, readUpstreamId } from './read-answers.js';
import { neverBuilt, neverSent, Transport, type UpstreamRequest } from './transport.js';
import { UpstreamMetrics } from './upstream.metrics.js';
import { UpstreamRateLimiter } from './upstream-rate-limiter.js';
import { readUpstreamError, type UpstreamError } from './upstream-error.js';

/** The endpoints of the asynchronous API, by job type. */
const SUBMIT_PATH = {
  parse: '/parse_async',
  extract: '/extract_async',
  split: '/split_async',
  edit: '/edit_async',
  pipeline: '/pipeline_async',
} as const;

/** A successful answer, or what is known of a failure. */
type Outcome =
  | { readonly ok: true; readonly answer: AnswerBody }
  | {
      readonly ok: false;
      readonly error: UpstreamError;
      /** Whether Reducto itself answered, with JSON; a proxy answers with a page, which says nothing about a job. */
      readonly reductos: boolean;
      /** No byte of the request was sent. */
      readonly neverSent: boolean;
      readonly delay: { readonly retryAfterSeconds?: number };
    };

/** Reducto’s job API. Each call is one request. Answers are values, so that callers handle every outcome. */
@Injectable()
export class ReductoClient {
  private readonly failing = new LRUCache<string, true>({ max: 10_000, ttl: 600_000 });

  constructor(
    private readonly settings: Settings,
    private readonly transport: Transport,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly metrics: UpstreamMetrics,
  ) {}

  /** Submits `body`, JSON text, to the endpoint of `type`. */
  submitJob(type: keyof typeof SUBMIT_PATH, body: string): Promise<SubmitAnswer> {
    return this.metrics.measure('submit', () => this.post(type, body));
  }

  private async post(type: keyof typeof SUBMIT_PATH, body: string): Promise<SubmitAnswer> {
    const within = this.settings.REDUCTO_SUBMIT_TIMEOUT_SECONDS;
    const outcome = await this.ask('POST', SUBMIT_PATH[type], { body, timeoutSeconds: within });
    if (outcome.ok) {
      const upstreamId = readUpstreamId(outcome.answer.body);
      if (upstreamId !== undefined) return { kind: 'accepted', upstreamId };
      return {
        kind: 'unknown',
        error: { message: 'Reducto’s answer to the submit holds no job id' },
      };
    }
    const { error, reductos, delay } = outcome;
    const { status } = error;
    if (outcome.neverSent) return { kind: 'deferred', error };
    if (status === 429 || status === 503 || isRedirect(status)) {
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

  /**
   * Polls one job, within the rate limit. `upstreamId` must have passed `isUpstreamId`: it goes
   * into the path as it is.
   */
  async pollJob(upstreamId: string): Promise<PollAnswer> {
    const permit = await this.rateLimiter.acquirePermit();
    if (!permit.granted) {
      return { kind: 'not_asked', retryAfterSeconds: permit.seconds, rawConfig: null };
    }
    const answer = await this.metrics.measure('poll', () => this.requestJob(upstreamId));
    return this.reported(answer, upstreamId);
  }

  private async requestJob(upstreamId: string): Promise<PollAnswer> {
    const outcome = await this.read('GET', `/job/${upstreamId}`);
    if (outcome.ok) return readPollAnswer(outcome.answer, upstreamId);
    const { error, reductos, delay } = outcome;
    if (reductos && (error.status === 404 || error.status === 410)) {
      return { kind: 'not_found', error, rawConfig: null };
    }
    return { kind: 'unavailable', error, rawConfig: null, ...delay };
  }

  /** One page of all jobs of this key. `withConfigs` asks for the requests too, which makes it heavy. */
  async listJobs(cursor: string | null, withConfigs: boolean, size: number): Promise<ListAnswer> {
    const answer = await this.metrics.measure('list', () => this.page(cursor, withConfigs, size));
    return this.reported(answer);
  }

  private async page(
    cursor: string | null,
    withConfigs: boolean,
    size: number,
  ): Promise<ListAnswer> {
    const outcome = await this.read('GET', '/jobs', {
      limit: String(size),
      exclude_configs: String(!withConfigs),
      ...(cursor === null ? {} : { cursor }),
    });
    if (outcome.ok) return readList(outcome.answer.body);
    const { error, reductos, delay } = outcome;
    if (reductos && [404, 405, 501].includes(error.status ?? 0)) return { kind: 'unsupported' };
    return { kind: 'unavailable', error, ...delay };
  }

  /** Whether Reducto answers other requests: then an unusable answer is about one job alone. */
  async answersProperly(): Promise<boolean> {
    const answer = await this.listJobs(null, false, 1);
    return answer.kind !== 'unavailable' || !concernsAll(answer.error);
  }

  cancelJob(upstreamId: string): Promise<CancelAnswer> {
    return this.metrics.measure('cancel', () => this.sendCancel(upstreamId));
  }

  private async sendCancel(upstreamId: string): Promise<CancelAnswer> {
    const outcome = await this.read('POST', `/cancel/${upstreamId}`);
    if (outcome.ok) return { kind: 'accepted' };
    const { error, reductos, delay } = outcome;
    const { status = 0 } = error;
    const refused = status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status);
    return reductos && refused
      ? { kind: 'refused', error }
      : { kind: 'unavailable', error, ...delay };
  }

  /** Reports the outcome to the rate limiter. */
  private async reported<Answer extends PollAnswer | ListAnswer>(
    answer: Answer,
    upstreamId?: string,
  ): Promise<Answer> {
    const unclear =
      answer.kind === 'unavailable' || (answer.kind === 'unusable' && !answer.aboutJob);
    if (!unclear || !concernsAll(answer.error)) {
      if (upstreamId !== undefined) this.failing.delete(upstreamId);
      await this.rateLimiter.reportOutcome('answered');
    } else if (upstreamId === undefined || !this.isFailing(upstreamId, answer.error)) {
      const retryAfter = answer.kind === 'unavailable' ? answer.retryAfterSeconds : undefined;
      await this.rateLimiter.reportOutcome('unavailable', retryAfter);
    }
    return answer;
  }

  /** One job whose polls keep failing must not start a cool-down for all jobs. */
  private isFailing(upstreamId: string, { status }: UpstreamError): boolean {
    const known = this.failing.has(upstreamId);
    this.failing.set(upstreamId, true);
    return known && status !== undefined && status !== 429;
  }

  private read(
    method: 'GET' | 'POST',
    path: string,
    query?: Readonly<Record<string, string>>,
  ): Promise<Outcome> {
    return this.ask(method, path, {
      query,
      timeoutSeconds: this.settings.REDUCTO_READ_TIMEOUT_SECONDS,
    });
  }

  private async ask(
    method: 'GET' | 'POST',
    path: string,
    request: UpstreamRequest,
  ): Promise<Outcome> {
    try {
      const answer = await this.transport.sendRequest(method, path, request);
      const { status, headers, body } = answer;
      if (status >= 200 && status < 300) return { ok: true, answer };
      return {
        ok: false,
        error: readUpstreamError(status, body),
        reductos: typeof body === 'object' && body !== null,
        neverSent: false,
        delay: this.delayOf(headers['retry-after']),
      };
    } catch (thrown) {
      const error = { message: describe(thrown) };
      return { ok: false, error, reductos: false, neverSent: neverSent(thrown), delay: {} };
    }
  }

  /** `Retry-After` in seconds or as a date, cut to the cap. */
  private delayOf(header: string | undefined): { retryAfterSeconds?: number } {
    if (header === undefined || header === '') return {};
    const seconds = /^\d+(\.\d+)?$/.test(header)
      ? Number(header)
      : (Date.parse(header) - Date.now()) / 1000;
    if (!Number.isFinite(seconds) || seconds <= 0) return {};
    return { retryAfterSeconds: Math.min(seconds, this.settings.REDUCTO_RETRY_AFTER_CAP_SECONDS) };
  }
}

/** No answer, an invalid answer, a rejected key, 429, and 5xx concern all jobs; a 409 concerns one. */
function concernsAll({ status = 500 }: UpstreamError): boolean {
  return status >= 500 || status < 400 || [401, 403, 408, 429].includes(status);
}

/** Reducto does not redirect; a redirecting proxy did not forward the request. */
function isRedirect(status: number | undefined): boolean {
  return status !== undefined && status >= 300 && status < 400;
}

/** Leaves out the address, which may contain a credential. */
function describe(thrown: unknown): string {
  const root = rootCause(thrown);
  if (neverBuilt(thrown)) {
    return 'The request could not be built. Check REDUCTO_API_KEY and REDUCTO_BASE_URL';
  }
  const name = root instanceof Error ? root.name : '';
  if (/abort|timeout/i.test(name)) return 'Reducto did not answer in time';
  const code = root instanceof Error && 'code' in root ? root.code : undefined;
  return `The connection to Reducto failed${typeof code === 'string' ? ` (${code})` : ''}`;
}

function rootCause(thrown: unknown): unknown {
  let cause = thrown;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  return cause;
}
