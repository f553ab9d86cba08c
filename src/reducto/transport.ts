import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Agent, fetch, type RequestInit, type Response } from 'undici';
import { Settings } from '../platform/config/settings.js';

/** Before Reducto's servers and the proxies before them drop an idle connection (5 s is common). */
const KEEP_ALIVE_MILLISECONDS = 4000;

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

  /** `fetch` over these connections; redirects are not followed, since they would carry the key elsewhere. */
  fetch(url: string, init: RequestInit): Promise<Response> {
    return fetch(url, { ...init, redirect: 'manual', dispatcher: this.agent });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy();
  }
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
