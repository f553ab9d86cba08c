import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import Reducto, { APIError } from 'reductoai';
import { Settings } from '../platform/config/settings.js';
import type { CancelAnswer, ListAnswer, Look, SubmitAnswer } from './answers.js';
import { readList, readLook, readUpstreamId } from './read-answers.js';
import { neverSent, Transport } from './transport.js';
import { UpstreamFigures } from './upstream-figures.js';
import { UpstreamPace } from './upstream-pace.js';
import { readUpstreamError, type UpstreamError } from './upstream-error.js';

/** The endpoints of the asynchronous API, by job type. */
const SUBMIT_PATH = {
  parse: '/parse_async',
  extract: '/extract_async',
  split: '/split_async',
  edit: '/edit_async',
  pipeline: '/pipeline_async',
} as const;

/**
 * Reducto's job API. One call, one request: the SDK's own retries are off, because a repeated submit
 * makes a second job. Answers are values, not exceptions, so that no outcome can be overlooked.
 */
@Injectable()
export class ReductoClient {
  private readonly sdk: Reducto;
  private readonly odd = new LRUCache<string, true>({ max: 10_000, ttl: 600_000 });

  constructor(
    private readonly settings: Settings,
    transport: Transport,
    private readonly pace: UpstreamPace,
    private readonly figures: UpstreamFigures,
  ) {
    // With DEBUG=true the SDK prints requests and answers whole: tokens, documents and results.
    if (process.env['DEBUG'] === 'true') delete process.env['DEBUG'];
    this.sdk = new Reducto({
      apiKey: settings.REDUCTO_API_KEY ?? '',
      baseURL: settings.REDUCTO_BASE_URL.href.replace(/\/$/, ''),
      maxRetries: 0,
      // The SDK names node-fetch's types; undici's are the same where it uses them.
      fetch: ((url: string, init: never) => transport.fetch(url, init)) as never,
    });
  }

  /** Submits `body` to the endpoint of `type`. */
  submit(type: keyof typeof SUBMIT_PATH, body: object): Promise<SubmitAnswer> {
    return this.figures.measure('submit', () => this.post(type, body));
  }

  private async post(type: keyof typeof SUBMIT_PATH, body: object): Promise<SubmitAnswer> {
    const seconds = this.settings.REDUCTO_SUBMIT_TIMEOUT_SECONDS;
    try {
      const answer: unknown = await this.sdk.post(SUBMIT_PATH[type], { body, ...limit(seconds) });
      const upstreamId = readUpstreamId(answer);
      if (upstreamId !== undefined) return { kind: 'accepted', upstreamId };
      return {
        kind: 'unknown',
        error: { message: 'Reducto’s answer to the submit holds no job id' },
      };
    } catch (thrown) {
      const error = describe(thrown);
      const status = error.status;
      if (neverSent(thrown)) return { kind: 'deferred', error };
      if (status === 429 || status === 503 || isRedirect(status)) {
        return { kind: 'deferred', error, ...this.delayOf(thrown) };
      }
      if (status !== undefined && [404, 405].includes(status) && !isReductos(thrown)) {
        return { kind: 'deferred', error };
      }
      if (status !== undefined && status >= 400 && status < 500 && status !== 408) {
        return { kind: 'rejected', error };
      }
      return { kind: 'unknown', error };
    }
  }

  /**
   * Looks at one job, when it is our turn. `upstreamId` must have passed `isUpstreamId`: the SDK puts
   * it into the path as it is.
   */
  async look(upstreamId: string): Promise<Look> {
    const turn = await this.pace.turn();
    if (!turn.granted) {
      return { kind: 'not-asked', retryAfterSeconds: turn.seconds, rawConfig: null };
    }
    const answer = await this.figures.measure('look', () => this.ask(upstreamId));
    return this.reported(answer, upstreamId);
  }

  private async ask(upstreamId: string): Promise<Look> {
    try {
      const look = readLook(await this.sdk.get(`/job/${upstreamId}`, this.readLimit()));
      return look.kind === 'trouble' ? { ...look, error: { status: 200, ...look.error } } : look;
    } catch (thrown) {
      const error = describe(thrown);
      if (isReductos(thrown) && (error.status === 404 || error.status === 410)) {
        return { kind: 'gone', error, rawConfig: null };
      }
      return { kind: 'trouble', error, rawConfig: null, ...this.delayOf(thrown) };
    }
  }

  /** One page of all jobs of this key. `withConfigs` asks for the requests too, which makes it heavy. */
  async list(cursor: string | null, withConfigs: boolean, size: number): Promise<ListAnswer> {
    const answer = await this.figures.measure('list', () => this.page(cursor, withConfigs, size));
    return this.reported(answer);
  }

  private async page(
    cursor: string | null,
    withConfigs: boolean,
    size: number,
  ): Promise<ListAnswer> {
    const query = {
      limit: size,
      exclude_configs: !withConfigs,
      ...(cursor === null ? {} : { cursor }),
    };
    try {
      return readList(await this.sdk.get('/jobs', { query, ...this.readLimit() }));
    } catch (thrown) {
      const error = describe(thrown);
      if (isReductos(thrown) && [404, 405, 501].includes(error.status ?? 0)) {
        return { kind: 'unsupported' };
      }
      return { kind: 'trouble', error, ...this.delayOf(thrown) };
    }
  }

  cancel(upstreamId: string): Promise<CancelAnswer> {
    return this.figures.measure('cancel', () => this.tell(upstreamId));
  }

  private async tell(upstreamId: string): Promise<CancelAnswer> {
    try {
      await this.sdk.post(`/cancel/${upstreamId}`, this.readLimit());
      return { kind: 'accepted' };
    } catch (thrown) {
      const error = describe(thrown);
      const status = error.status ?? 0;
      if (
        isReductos(thrown) &&
        status >= 400 &&
        status < 500 &&
        ![401, 403, 408, 429].includes(status)
      ) {
        return { kind: 'too-late' };
      }
      return { kind: 'trouble', error, ...this.delayOf(thrown) };
    }
  }

  /** Tells everybody how Reducto is doing. */
  private async reported<Answer extends Look | ListAnswer>(
    answer: Answer,
    upstreamId?: string,
  ): Promise<Answer> {
    if (answer.kind !== 'trouble' || !concernsAll(answer.error)) {
      if (upstreamId !== undefined) this.odd.delete(upstreamId);
      await this.pace.report('answered');
    } else if (upstreamId === undefined || !this.isOdd(upstreamId, answer.error)) {
      await this.pace.report('trouble', answer.retryAfterSeconds);
    }
    return answer;
  }

  /** A job whose looks go on failing says nothing new of Reducto: it must not hold back all others. */
  private isOdd(upstreamId: string, { status }: UpstreamError): boolean {
    const known = this.odd.has(upstreamId);
    this.odd.set(upstreamId, true);
    return known && status !== undefined && status !== 429;
  }

  private readLimit(): { signal: AbortSignal; timeout: number } {
    return limit(this.settings.REDUCTO_READ_TIMEOUT_SECONDS);
  }

  /** `Retry-After` in seconds or as a date, cut to the cap. */
  private delayOf(thrown: unknown): { retryAfterSeconds?: number } {
    if (!(thrown instanceof APIError)) return {};
    const header = thrown.headers?.['retry-after'];
    if (header === undefined || header === null || header === '') return {};
    const seconds = /^\d+(\.\d+)?$/.test(header)
      ? Number(header)
      : (Date.parse(header) - Date.now()) / 1000;
    if (!Number.isFinite(seconds) || seconds <= 0) return {};
    return { retryAfterSeconds: Math.min(seconds, this.settings.REDUCTO_RETRY_AFTER_CAP_SECONDS) };
  }
}

/** The SDK's own timeout ends with the headers; the signal covers the body too. */
function limit(seconds: number): { signal: AbortSignal; timeout: number } {
  return { signal: AbortSignal.timeout(seconds * 1000), timeout: seconds * 1000 + 1000 };
}

/**
 * Whether an error is Reducto's own word: JSON. A proxy that has lost its route answers with a page, which
 * says nothing about a job.
 */
function isReductos(thrown: unknown): boolean {
  return thrown instanceof APIError && typeof thrown.error === 'object' && thrown.error !== null;
}

/** A 409 is about one job; no answer, nonsense, a refused key, 429 and 5xx are about Reducto. */
function concernsAll({ status = 500 }: UpstreamError): boolean {
  return status >= 500 || status < 400 || [401, 403, 408, 429].includes(status);
}

/** Reducto does not redirect; a proxy that does has not passed the request on. */
function isRedirect(status: number | undefined): boolean {
  return status !== undefined && status >= 300 && status < 400;
}

function describe(thrown: unknown): UpstreamError {
  if (thrown instanceof APIError && thrown.status !== undefined) {
    return readUpstreamError(thrown.status, thrown.error ?? thrown.message.replace(/^\d+ /, ''));
  }
  const root = rootCause(thrown);
  const code =
    root instanceof Error && 'code' in root && typeof root.code === 'string'
      ? root.code
      : undefined;
  const name = root instanceof Error ? root.name : '';
  if (/abort|timeout/i.test(name)) return { message: 'Reducto did not answer in time' };
  if (name === 'SyntaxError') return { status: 200, message: 'Reducto’s answer is not valid JSON' };
  return { message: `The connection to Reducto failed${code === undefined ? '' : ` (${code})`}` };
}

function rootCause(thrown: unknown): unknown {
  let cause = thrown;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  return cause;
}
