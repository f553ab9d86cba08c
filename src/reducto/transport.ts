import type { IncomingHttpHeaders } from 'node:http';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Agent, request, type Dispatcher } from 'undici';
import { Settings } from '../platform/config/settings.js';
import { MAX_ANSWER_BYTES, readAnswerBody, tooLargeBody, type AnswerBody } from './answer-body.js';
import { encodeFairly } from '../platform/text.js';
import { decodeContent } from './content-coding.js';

/** Less than common idle timeouts of servers and proxies (5 s). */
const KEEP_ALIVE_MILLISECONDS = 4000;

export type Method = 'GET' | 'POST' | 'DELETE';

/** A request without its URL. */
export interface UpstreamRequest {
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** JSON text, sent as it is. */
  readonly body?: string;
  /** Time limit in seconds until the last byte of the answer, or a signal. */
  readonly timeoutSeconds: number | AbortSignal;
  /** Header `user-id`: an on-prem Reducto shares its workers between users. */
  readonly userId?: string;
}

export interface UpstreamAnswer extends AnswerBody {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** HTTP connections to Reducto’s API. For a private CA set `NODE_EXTRA_CA_CERTS`. */
@Injectable()
export class Transport implements OnApplicationShutdown {
  readonly agent: Agent;
  private readonly base: string;
  private readonly headers: Readonly<Record<string, string>>;

  constructor(settings: Settings) {
    const seconds = Math.min(settings.REDUCTO_SUBMIT_TIMEOUT_SECONDS * 0.5, 10);
    this.agent = new Agent({
      // Shorter than the submit timeout, so that an unreachable host counts as "never sent".
      connect: { timeout: seconds * 1000 },
      keepAliveTimeout: KEEP_ALIVE_MILLISECONDS,
      keepAliveMaxTimeout: KEEP_ALIVE_MILLISECONDS,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.base = settings.REDUCTO_BASE_URL.href.replace(/\/$/, '');
    this.headers = {
      accept: 'application/json',
      'accept-encoding': 'gzip, deflate, br',
      authorization: `Bearer ${settings.REDUCTO_API_KEY ?? ''}`,
      'user-agent': 'reducto-gateway',
    };
  }

  /**
   * Sends one request. No retries, because a repeated submit creates a second job; no redirects, because they would
   * leak the key. Throws connection errors.
   */
  async sendRequest(method: Method, path: string, asked: UpstreamRequest): Promise<UpstreamAnswer> {
    const { query, body, timeoutSeconds: within, userId } = asked;
    const search = query === undefined ? '' : `?${new URLSearchParams(query).toString()}`;
    // AbortSignal.timeout() is slower.
    const deadline = new AbortController();
    const timed = typeof within === 'number';
    const timer = timed ? setTimeout(() => deadline.abort(), within * 1000) : undefined;
    try {
      const answer = await request(`${this.base}${path}${search}`, {
        method,
        headers:
          body === undefined
            ? this.headers
            : {
                ...this.headers,
                'content-type': 'application/json',
                ...(userId === undefined ? {} : { 'user-id': userId }),
              },
        body: body === undefined ? null : await encodeFairly(body),
        signal: timed ? deadline.signal : within,
        dispatcher: this.agent,
      });
      const { statusCode: status, headers } = answer;
      return { status, headers, ...(await readBody(answer).catch(asEmpty)) };
    } finally {
      clearTimeout(timer);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy();
  }
}

/** Reads the body at once, which is faster than by chunks. */
const MAX_WHOLE_BYTES = 65_536;

async function readBody({ headers, body }: Dispatcher.ResponseData): Promise<AnswerBody> {
  const coding = headers['content-encoding'];
  if (coding === undefined && Number(headers['content-length']) <= MAX_WHOLE_BYTES) {
    return readAnswerBody([Buffer.from(await body.arrayBuffer())]);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of decodeContent(body, coding) as AsyncIterable<Buffer>) {
    size += chunk.length;
    chunks.push(chunk);
    if (size > MAX_ANSWER_BYTES) return tooLargeBody(chunks);
  }
  return readAnswerBody(chunks);
}

const UNREADABLE = /^(Z_|ERR__|ERR_TRAILING_JUNK|ZSTD_|TOO_MANY_CODINGS$)/;

/** A body that cannot be decoded counts as empty. */
function asEmpty(error: unknown): AnswerBody {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (UNREADABLE.test(code)) return { body: '' };
  throw error;
}

const NEVER_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** undici and Node throw these before they connect: invalid header, path, URL, or body. */
const NEVER_BUILT = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'ERR_INVALID_CHAR',
  'ERR_INVALID_HTTP_TOKEN',
  'ERR_INVALID_URL',
  'ERR_HTTP_INVALID_HEADER_VALUE',
  'ERR_UNESCAPED_CHARACTERS',
]);

/** Whether `error` or a cause proves that the request could not be built. */
export function neverBuilt(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== undefined && NEVER_BUILT.has(code)) return true;
  }
  return false;
}

/** Whether `error` or a cause proves that no byte of the request was sent. */
export function neverSent(error: unknown): boolean {
  if (neverBuilt(error)) return true;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (code === undefined) continue;
    if (NEVER_CONNECTED.has(code) || syscall === 'connect') return true;
    // The handshake fails before the request is written.
    if (/^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO)/.test(code))
      return true;
  }
  return false;
}
