import { Injectable } from '@nestjs/common';
import { retryAfterSeconds } from '../platform/retry-after.js';
import { Settings } from '../platform/config/settings.js';
import { ApiKeyStatus, isKeyRefusal } from './api-key-status.js';
import type { AnswerBody } from './answer-body.js';
import {
  neverBuilt,
  neverSent,
  Transport,
  type Method,
  type UpstreamRequest,
} from './transport.js';
import { readUpstreamError, type UpstreamError } from './upstream-error.js';

/** A successful answer, or what is known of a failure. */
export type Outcome =
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

/** Sends requests to Reducto and returns every outcome as a value. */
@Injectable()
export class UpstreamRequests {
  constructor(
    private readonly settings: Settings,
    private readonly transport: Transport,
    private readonly apiKey: ApiKeyStatus,
  ) {}

  /** With the time limit of everything except submits. */
  read(method: Method, path: string, query?: Readonly<Record<string, string>>): Promise<Outcome> {
    return this.send(method, path, {
      query,
      timeoutSeconds: this.settings.REDUCTO_READ_TIMEOUT_SECONDS,
    });
  }

  async send(method: Method, path: string, request: UpstreamRequest): Promise<Outcome> {
    try {
      const answer = await this.transport.sendRequest(method, path, request);
      const { status, headers, body } = answer;
      // `/version` needs no key.
      if (path !== '/version') this.apiKey.recordAnswer(status);
      if (status >= 200 && status < 300) return { ok: true, answer };
      return {
        ok: false,
        error: {
          ...readUpstreamError(status, body),
          ...(isKeyRefusal(status) ? { refusesKey: true } : {}),
        },
        reductos: typeof body === 'object' && body !== null,
        neverSent: false,
        delay: this.delayOf(headers['retry-after']),
      };
    } catch (thrown) {
      const error = { message: describe(thrown) };
      return { ok: false, error, reductos: false, neverSent: neverSent(thrown), delay: {} };
    }
  }

  /** `Retry-After`, cut to the cap. */
  private delayOf(header: string | undefined): { retryAfterSeconds?: number } {
    const seconds = retryAfterSeconds(header);
    if (seconds === undefined) return {};
    return { retryAfterSeconds: Math.min(seconds, this.settings.REDUCTO_RETRY_AFTER_CAP_SECONDS) };
  }
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
