import { readFileSync } from 'node:fs';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Agent, Pool, type Dispatcher } from 'undici';
import { Settings } from '../../platform/config/settings.js';
import { retryAfterSeconds } from '../../platform/retry-after.js';
import { AddressPolicy } from './address-policy.js';
import { shownAnswer, type ShownAnswer } from './shown-answer.js';
import { problemOfHeaders } from './custom-headers.js';
import { parseEndpointUrl } from './endpoint-url.js';
import { errorWith, sendErrorOf, type SendError } from './send-error.js';
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
/** The rest of an answer is not read. */
const MAX_BODY_BYTES = 16_384;

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
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.timeoutSeconds * 1000);
    try {
      const answer = await this.post(request, deadline.signal);
      return { ...answer, durationMilliseconds: millisecondsSince(startedAt) };
    } catch (thrown) {
      const error = deadline.signal.aborted
        ? errorWith('timeout', `: the attempt took longer than ${this.timeoutSeconds} s`)
        : sendErrorOf(thrown);
      return { error, durationMilliseconds: millisecondsSince(startedAt) };
    } finally {
      clearTimeout(timer);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy();
  }

  private async post(
    request: SendRequest,
    signal: AbortSignal,
  ): Promise<Omit<Answered, 'durationMilliseconds'>> {
    const { origin, pathname, search } = parseEndpointUrl(request.url);
    const answer = await this.agent.request({
      origin,
      path: pathname + search,
      method: 'POST',
      headers: headersOf(request),
      body: request.body,
      signal,
    });
    const body = await readBeginning(answer.body);
    const { statusCode: status, headers } = answer;
    const seconds = retryAfterSeconds(headers['retry-after']);
    return {
      status,
      ...shownAnswer(headers, body, [...request.secrets, ...Object.values(request.headers)]),
      ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
    };
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
    ...headers,
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signature,
    ...(sendSvixHeaders ? svix : {}),
  };
}

/** Reads at most `MAX_BODY_BYTES`; a longer body costs its connection. */
async function readBeginning(body: Dispatcher.ResponseData['body']): Promise<Buffer> {
  // Leaving the loop early destroys the body, which then emits an error.
  body.on('error', () => undefined);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= MAX_BODY_BYTES) break;
  }
  return Buffer.concat(chunks, Math.min(size, MAX_BODY_BYTES));
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
