import { readFileSync } from 'node:fs';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Agent, Pool } from 'undici';
import { Settings } from '../../platform/config/settings.js';
import { retryAfterSeconds } from '../../platform/retry-after.js';
import { AddressPolicy } from './address-policy.js';
import { AnswerReader } from './answer-reader.js';
import { shownAnswer, type ShownAnswer } from './shown-answer.js';
import { problemOfHeaders } from './custom-headers.js';
import { parseEndpointUrl } from './endpoint-url.js';
import { sendErrorOf, type SendError } from './send-error.js';
import { signaturesOf } from './signatures.js';

/** One attempt to deliver an event. */
export interface SendRequest {
  readonly url: string;
  /** `webhook-id`: the same for every attempt. */
  readonly id: string;
  /** JSON in UTF-8. */
  readonly body: Buffer;
  /** `whsec_…`; each of them signs. */
  readonly secrets: readonly string[];
  /** Additional headers of the endpoint. */
  readonly headers: Readonly<Record<string, string>>;
  /** Also send the signature as `svix-*`. */
  readonly sendSvixHeaders: boolean;
  readonly timestamp: Date;
}

/** An answer with any status. Headers and body are redacted, and the body is only its beginning. */
export interface Answered extends ShownAnswer {
  readonly status: number;
  readonly retryAfterSeconds?: number;
  readonly durationMilliseconds: number;
}

export interface NotAnswered {
  readonly error: SendError;
  readonly durationMilliseconds: number;
}

export type SendOutcome = Answered | NotAnswered;

const POOL_OPTIONS: Pool.Options = {
  // Above the concurrency of deliveries, so that a slow endpoint delays no other one at the same origin.
  connections: 256,
  allowH2: false,
  // Less than common idle timeouts of servers and proxies (5 s).
  keepAliveTimeout: 4000,
  keepAliveMaxTimeout: 4000,
  maxHeaderSize: 16_384,
  // One timeout covers the whole attempt.
  headersTimeout: 0,
  bodyTimeout: 0,
};

/** Posts signed events (Standard Webhooks): one request, no redirects, no retries, no content codings. */
@Injectable()
export class EventSender implements OnApplicationShutdown {
  private readonly agent: Agent;
  private readonly timeoutSeconds: number;

  constructor(settings: Settings, policy: AddressPolicy) {
    this.timeoutSeconds = settings.DELIVERY_TIMEOUT_SECONDS;
    const connectOptions = {
      timeout: this.timeoutSeconds * 1000,
      allowH2: false,
      ...secureContextOf(settings.DELIVERY_CA_FILE),
    };
    this.agent = new Agent({
      factory: (origin) =>
        new Pool(origin, {
          ...POOL_OPTIONS,
          connect: policy.connector(new URL(origin), connectOptions),
        }),
    });
  }

  /** Never throws: what a receiver does is an outcome. */
  async send(request: SendRequest): Promise<SendOutcome> {
    const startedAt = performance.now();
    const seconds = this.timeoutSeconds;
    const reader = new AnswerReader();
    const timer = setTimeout(
      () => reader.stop(new DOMException('', 'TimeoutError')),
      seconds * 1000,
    );
    try {
      this.dispatch(request, reader);
      const { status, headers, body } = await reader.answer;
      const retryAfter = retryAfterSeconds(headers['retry-after']);
      return {
        status,
        ...shownAnswer(headers, body, [...request.secrets, ...Object.values(request.headers)]),
        ...(retryAfter === undefined ? {} : { retryAfterSeconds: retryAfter }),
        durationMilliseconds: millisecondsSince(startedAt),
      };
    } catch (thrown) {
      return { error: sendErrorOf(thrown), durationMilliseconds: millisecondsSince(startedAt) };
    } finally {
      clearTimeout(timer);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy();
  }

  private dispatch(request: SendRequest, reader: AnswerReader): void {
    const { origin, pathname, search } = parseEndpointUrl(request.url);
    this.agent.dispatch(
      {
        origin,
        path: pathname + search,
        method: 'POST',
        headers: headersOf(request),
        body: request.body,
      },
      reader,
    );
  }
}

function headersOf(request: SendRequest): Record<string, string> {
  const { id, secrets, body, headers, sendSvixHeaders } = request;
  const problem = problemOfHeaders(headers);
  if (problem !== undefined) {
    throw Object.assign(new Error(problem), { code: 'ERR_INVALID_HEADER' });
  }
  const timestamp = Math.floor(request.timestamp.getTime() / 1000);
  const signature = signaturesOf(secrets, id, timestamp, body);
  const svix = {
    'svix-id': id,
    'svix-timestamp': String(timestamp),
    'svix-signature': signature,
  };
  return {
    accept: '*/*',
    'user-agent': 'reducto-gateway',
    ...lowerCased(headers),
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signature,
    ...(sendSvixHeaders ? svix : {}),
  };
}

/** So that they replace the gateway's own. */
function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

/** Made once: a connection that builds its own takes some ten milliseconds. */
function secureContextOf(file: string | undefined): { secureContext?: SecureContext } {
  if (file === undefined) return {};
  const ca = [...getCACertificates('default'), readFileSync(file, 'utf8')];
  return { secureContext: createSecureContext({ ca }) };
}

function millisecondsSince(startedAt: number): number {
  return Math.round(performance.now() - startedAt);
}
