import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequiresScope } from '../access/api-key.guard.js';
import type { Caller } from '../access/caller.js';
import { CurrentCaller } from '../access/caller.decorator.js';
import { isTerminal } from '../jobs/job-status.js';
import { JOB_TYPES, type JobType } from '../jobs/job-type.js';
import { JobsService } from '../jobs/jobs.service.js';
import { ClientSignal } from '../platform/client-signal.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { JsonAnswer } from '../platform/http/json-answer.js';
import { CallsService } from './calls.service.js';
import { failureOf } from './job-failure.js';
import { errorText } from './sdk-error.js';
import { sendAroundResult } from './send-result.js';
import { SDK_PATH } from './sdk-paths.js';
import { waitSecondsOf } from './wait-seconds.js';

/** Endpoints whose clients take `{job_id}` for an answer. */
const QUEUEING: ReadonlySet<JobType> = new Set(['parse', 'extract']);

/** Reducto’s endpoints for documents: `/parse`, `/parse_async`, and those of the other types. */
@Controller('reducto')
@RequiresScope('jobs')
@ApiExcludeController()
export class CallsController {
  constructor(
    private readonly calls: CallsService,
    private readonly jobs: JobsService,
  ) {}

  @Post(JOB_TYPES.map((type) => `${type}_async`))
  @HttpCode(200)
  async submitJob(
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
  ): Promise<{ job_id: string }> {
    const { id } = await this.calls.accept(caller, typeOf(request), request, false);
    return { job_id: id };
  }

  /** Holds the connection until the job has ended. The status is known only then, so nothing is sent meanwhile. */
  @Post([...JOB_TYPES])
  @HttpCode(200)
  async callReducto(
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @ClientSignal() signal: AbortSignal,
  ): Promise<void> {
    const type = typeOf(request);
    const end = request.arrivedAt + waitSecondsOf(request.headers) * 1000;
    const { id, isQueued } = await this.calls.accept(caller, type, request, true);
    if (isQueued && QUEUEING.has(type)) return sendQueued(reply, id);
    const left = (end - performance.now()) / 1000;
    const job = await this.jobs.get(caller.service, id, left, signal);
    // Nobody reads the answer. The job goes on, and a repeat gets its result.
    if (signal.aborted) return;
    if (job.status === 'completed') {
      const result = await this.jobs.resultOf(job);
      return sendAroundResult(reply, ['', ''], await this.jobs.openResult(job, result));
    }
    if (isTerminal(job.status)) {
      const failure = failureOf(job);
      const fields = job.error?.upstreamFields;
      const text =
        fields === undefined
          ? errorText(failure, failure.message, id)
          : JSON.stringify({ detail: fields });
      return sendError(reply, failure.status, false, text);
    }
    if (performance.now() < end) {
      throw new GatewayError('unavailable', `The gateway is stopping. Job ${id} goes on.`, {
        retryAfterSeconds: 1,
      });
    }
    if (QUEUEING.has(type)) return sendQueued(reply, id);
    const message = `Job ${id} has not ended yet. Repeat the request, or read the job.`;
    return sendError(reply, 504, true, errorText({ status: 504, name: 'TIMEOUT' }, message, id));
  }
}

function typeOf({ routeOptions }: FastifyRequest): JobType {
  const name = routeOptions.url?.slice(SDK_PATH.length).replace(/_async$/, '');
  const type = JOB_TYPES.find((known) => known === name);
  if (type === undefined) throw new Error('the route has no job type');
  return type;
}

async function sendQueued(reply: FastifyReply, id: string): Promise<void> {
  await reply.send({ job_id: id });
}

async function sendError(
  reply: FastifyReply,
  status: number,
  isRetryable: boolean,
  text: string,
): Promise<void> {
  void reply.status(status).header('x-should-retry', String(isRetryable));
  await reply.send(new JsonAnswer(text));
}
