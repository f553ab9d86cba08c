import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Caller } from '../access/caller.js';
import { EndpointsService } from '../deliveries/endpoints.service.js';
import { readIdempotencyKey } from '../jobs/job-request.js';
import { JobsService } from '../jobs/jobs.service.js';
import type { JobType } from '../jobs/job-type.js';
import { FairTurns } from '../platform/fair-turns.js';
import { encodePieces } from '../platform/text.js';
import { addLogFields } from '../platform/logging/log-context.js';
import { releaseBody } from '../platform/http/body-parsers.js';
import { GatewayError, type ErrorCode } from '../platform/errors/error-codes.js';
import { readCallRequest, type CallRequest } from './call-request.js';

const CLIENT_HEADERS = [
  'x-stainless-lang',
  'x-stainless-package-version',
  'x-reducto-lang',
  'x-reducto-package-version',
] as const;
const RETRY_HEADERS = ['x-stainless-retry-count', 'x-reducto-retry-count'] as const;
/** Of the URL of a webhook. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'endpoint_address_refused',
  'too_many_endpoints',
]);
const MAX_RETRIES = 1000;

/** A job that a request has made or joined. */
export interface AcceptedCall {
  readonly id: string;
  readonly isQueued: boolean;
}

/** Submits of the SDKs. */
@Injectable()
export class CallsService {
  constructor(
    private readonly jobs: JobsService,
    private readonly endpoints: EndpointsService,
  ) {}

  /**
   * Accepts the job of a request, or joins that of the request that it repeats, and releases the body, because the caller
   * may wait for long. `isUrgent`: the client waits for the result.
   */
  async accept(
    { keyId, service }: Caller,
    type: JobType,
    request: FastifyRequest,
    isUrgent: boolean,
  ): Promise<AcceptedCall> {
    logClient(request.headers);
    const body = { value: request.body, text: request.jsonText ?? '' };
    const { job: read, webhook, isQueued } = await readCallRequest(type, body, isUrgent);
    const job =
      webhook === null ? read : { ...read, webhook: () => this.checkWebhook(service, webhook) };
    const key = readIdempotencyKey(request.headers['idempotency-key']);
    const id =
      key === null
        ? await this.jobs.acceptOrJoin(service, job, {
            hash: await hashOf([keyId, request.routeOptions.url ?? ''], body.text),
            retries: retryCountOf(request.headers),
            arrivedAt: request.arrivedAt,
            isAbandoned: () => request.socket.destroyed,
          })
        : (await this.jobs.accept(service, job, key)).id;
    releaseBody(request);
    return { id, isQueued };
  }

  /** The URL as it is called. Throws `validation_failed` if events may not be sent there. */
  private async checkWebhook(
    service: string,
    { path, url }: NonNullable<CallRequest['webhook']>,
  ): Promise<string> {
    try {
      return await this.endpoints.forJob(service, url);
    } catch (error) {
      if (!(error instanceof GatewayError) || !REFUSALS.has(error.code)) throw error;
      throw new GatewayError('validation_failed', undefined, {
        errors: [{ path, message: error.message }],
      });
    }
  }
}

/** What equal requests have in common. */
async function hashOf(names: readonly string[], body: string): Promise<Buffer> {
  const hash = createHash('sha256').update(JSON.stringify(names));
  const turns = new FairTurns();
  for (const piece of encodePieces(body)) {
    hash.update(piece);
    await turns.pause();
  }
  return hash.digest();
}

/** How often the client has sent the request before. */
function retryCountOf(headers: IncomingHttpHeaders): number {
  const counts = RETRY_HEADERS.map((name) => Number(headers[name]));
  return Math.max(0, ...counts.filter((count) => Number.isInteger(count) && count <= MAX_RETRIES));
}

/** Logs which SDK a service uses, so that an operator knows which ones to test before an upgrade. */
function logClient(headers: IncomingHttpHeaders): void {
  const known = CLIENT_HEADERS.map((name) => headers[name]).filter(
    (value) => typeof value === 'string' && /^[\w .+/-]{1,40}$/.test(value),
  );
  if (known.length > 0) addLogFields({ client: known.join(' ') });
}
