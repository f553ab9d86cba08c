import { pipeline, type Duplex, type Readable } from 'node:stream';
import { json, text } from 'node:stream/consumers';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Agent, Headers, request } from 'undici';
import { Settings } from '../platform/config/settings.js';

/** Before Reducto's servers and the proxies before them drop an idle connection (5 s is common). */
const KEEP_ALIVE_MILLISECONDS = 4000;

/** What a request consists of; the rest of what the SDK gives is for other clients than ours. */
export interface TransportRequest {
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | null;
  readonly signal?: AbortSignal;
}

/** As much of the Fetch API's `Response` as the SDK reads. */
export interface TransportResponse {
  readonly url: string;
  readonly status: number;
  readonly ok: boolean;
  readonly headers: Headers;
  json(): Promise<unknown>;
  text(): Promise<string>;
  /** For answers of which nobody reads the body. */
  discard(): Promise<void>;
}

/** The connections to Reducto's API. A private CA is given to Node itself: `NODE_EXTRA_CA_CERTS`. */
@Injectable()
export class Transport implements OnApplicationShutdown {
  readonly agent: Agent;

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
  }

  /**
   * Stands in for `fetch` below the SDK: `fetch` itself costs some 160 µs a request more, mostly for streams
   * that nobody needs here. Redirects are not followed, since they would carry the key elsewhere.
   */
  async fetch(url: string, init: TransportRequest): Promise<TransportResponse> {
    const { statusCode, headers, body } = await request(url, {
      method: init.method ?? 'GET',
      headers: { 'accept-encoding': 'gzip, deflate, br', ...init.headers },
      body: init.body ?? null,
      signal: init.signal ?? null,
      dispatcher: this.agent,
    });
    const coding = headers['content-encoding'];
    return {
      url,
      status: statusCode,
      ok: statusCode >= 200 && statusCode < 300,
      headers: headersOf(headers),
      json: () => (coding === undefined ? body.json() : json(decoded(body, coding))),
      text: () => (coding === undefined ? body.text() : text(decoded(body, coding))),
      discard: () => body.dump(),
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy();
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

function headersOf(received: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) headers.append(name, one);
  }
  return headers;
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
