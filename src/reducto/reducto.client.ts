import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Settings } from '../platform/config/settings.js';
import type { CancelAnswer, ListAnswer, PollAnswer, SubmitAnswer } from './answers.js';
import { readList, readPollAnswer, readUpstreamId } from './read-answers.js';
import { UpstreamMetrics } from './upstream.metrics.js';
import { UpstreamRateLimiter } from './upstream-rate-limiter.js';
import type { UpstreamError } from './upstream-error.js';
import { UpstreamRequests } from './upstream-requests.js';

/** The endpoints of the asynchronous API, by job type. */
const SUBMIT_PATH = {
  parse: '/parse_async',
  extract: '/extract_async',
  split: '/split_async',
  edit: '/edit_async',
  pipeline: '/pipeline_async',
} as const;

/** Reducto’s job API. Each call is one request. Answers are values, so that callers handle every outcome. */
@Injectable()
export class ReductoClient {
  private readonly failing = new LRUCache<string, true>({ max: 10_000, ttl: 600_000 });

  constructor(
    private readonly settings: Settings,
    private readonly requests: UpstreamRequests,
    private readonly rateLimiter: UpstreamRateLimiter,
    private readonly metrics: UpstreamMetrics,
  ) {}

  /** Submits `body`, JSON text, to the endpoint of `type`. */
  submitJob(type: keyof typeof SUBMIT_PATH, body: string): Promise<SubmitAnswer> {
    return this.metrics.measure('submit', () => this.post(type, body));
  }

  private async post(type: keyof typeof SUBMIT_PATH, body: string): Promise<SubmitAnswer> {
    const within = this.settings.REDUCTO_SUBMIT_TIMEOUT_SECONDS;
    const outcome = await this.requests.send('POST', SUBMIT_PATH[type], {
      body,
      timeoutSeconds: within,
    });
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
    const outcome = await this.requests.read('GET', `/job/${upstreamId}`);
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
    const outcome = await this.requests.read('GET', '/jobs', {
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
    const outcome = await this.requests.read('POST', `/cancel/${upstreamId}`);
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
}

/** No answer, an invalid answer, a rejected key, 429, and 5xx concern all jobs; a 409 concerns one. */
function concernsAll({ status = 500 }: UpstreamError): boolean {
  return status >= 500 || status < 400 || [401, 403, 408, 429].includes(status);
}

/** Reducto does not redirect; a redirecting proxy did not forward the request. */
function isRedirect(status: number | undefined): boolean {
  return status !== undefined && status >= 300 && status < 400;
}
