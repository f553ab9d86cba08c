import type { IncomingHttpHeaders } from 'node:http';
import { pipeline, type Duplex, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Agent, request } from 'undici';
import { Settings } from '../platform/config/settings.js';

/** Before Reducto's servers and the proxies before them drop an idle connection (5 s is common). */
const KEEP_ALIVE_MILLISECONDS = 4000;

/** What a request consists of, apart from where it goes. */
export interface UpstreamRequest {
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** Sent as JSON. */
  readonly body?: object;
  /** Until the last byte of the answer has come: so many seconds, or until the signal. */
  readonly within: number | AbortSignal;
}

export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As JSON; its text where it is none. */
  readonly body: unknown;
  /** As it came, for what is passed on: parsing alters numbers and the order of names. */
  readonly text: string;
}

/** The connections to Reducto's API. A private CA is given to Node itself: `NODE_EXTRA_CA_CERTS`. */
@Injectable()
export class Transport implements OnApplicationShutdown {
  readonly agent: Agent;
  private readonly base: string;
  private readonly headers: Readonly<Record<string, string>>;

  constructor(settings: Settings) {
    const seconds = Math.min(settings.REDUCTO_SUBMIT_TIMEOUT_SECONDS * 0.5, 10);
    this.agent = new Agent({
      // Shorter than the time for a submit, so that a host that is not there counts as "never sent".
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
   * One request, never repeated, because a repeated submit makes a second job; redirects are not followed,
   * because they would carry the key elsewhere. Any status is an answer. Throws what the connection throws.
   */
  async ask(method: 'GET' | 'POST', path: string, asked: UpstreamRequest): Promise<UpstreamAnswer> {
    const { query, body, within } = asked;
    const search = query === undefined ? '' : `?${new URLSearchParams(query).toString()}`;
    // Not AbortSignal.timeout(), which costs half as much again as the request.
    const deadline = new AbortController();
    const timed = typeof within === 'number';
    const timer = timed ? setTimeout(() => deadline.abort(), within * 1000) : undefined;
    try {
      const answer = await request(`${this.base}${path}${search}`, {
        method,
        headers:
          body === undefined
            ? this.headers
            : { ...this.headers, 'content-type': 'application/json' },
        body: body === undefined ? null : JSON.stringify(body),
        signal: timed ? deadline.signal : within,
        dispatcher: this.agent,
      });
      const coding = answer.headers['content-encoding'];
      const received = await (coding === undefined
        ? answer.body.text()
        : text(decoded(answer.body, coding)));
      return {
        status: answer.statusCode,
        headers: answer.headers,
        body: parsed(received),
        text: received,
      };
    } finally {
      clearTimeout(timer);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy();
  }
}

function parsed(received: string): unknown {
  try {
    return JSON.parse(received);
  } catch {
    return received;
  }
}

const DECODERS = new Map<string, () => Duplex>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
]);

/** Without the codings that `Content-Encoding` names, the last of them first; one that is not known stays. */
function decoded(body: Readable, codings: string | string[]): Readable {
  const names = String(codings).toLowerCase().split(',');
  return names.reduceRight<Readable>((coded, name) => {
    const decoder = DECODERS.get(name.trim())?.();
    // What goes wrong is thrown where the last of them is read.
    return decoder === undefined ? coded : pipeline(coded, decoder, () => undefined);
  }, body);
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

/** Whether `error` (or what caused it) proves that no byte of the request has left. */
export function neverSent(error: unknown): boolean {
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
