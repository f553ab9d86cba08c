import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { readIdempotencyKey } from '../jobs/job-request.js';
import { JobsService } from '../jobs/jobs.service.js';
import type { Job } from '../jobs/job.entity.js';
import type { JobType } from '../jobs/job-type.js';
import { releaseBody } from '../platform/http/body-parsers.js';
import { readCallRequest } from './call-request.js';

/** A job that a request has made or joined. */
export interface AcceptedCall {
  readonly id: string;
  readonly isQueued: boolean;
}

/** Submits of the SDKs. */
@Injectable()
export class CallsService {
  constructor(private readonly jobs: JobsService) {}

  /**
   * Accepts the job of a request, and releases the body, because the caller may wait for long. `isUrgent`: the client waits
   * for the result.
   */
  async accept(
    service: string,
    type: JobType,
    request: FastifyRequest,
    isUrgent: boolean,
  ): Promise<AcceptedCall> {
    const body = { value: request.body, text: request.jsonText ?? '' };
    const { job, isQueued } = await readCallRequest(type, body, isUrgent);
    const key = readIdempotencyKey(request.headers['idempotency-key']);
    const { id } = await this.jobs.accept(service, job, key);
    releaseBody(request);
    return { id, isQueued };
  }

  /** The job once it has ended, or as it is after `seconds`, or when the gateway stops. */
  waitForEnd(service: string, id: string, seconds: number, signal: AbortSignal): Promise<Job> {
    return this.jobs.get(service, id, seconds, signal);
  }
}
