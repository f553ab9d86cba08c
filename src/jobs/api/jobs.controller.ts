import { Controller, Delete, Get, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequiresScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { ClientSignal } from '../../platform/client-signal.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import type { JsonAnswer } from '../../platform/http/json-answer.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { UuidParam } from '../../platform/http/uuid-param.decorator.js';
import { ApiIdempotencyKey, readIdempotencyKey } from './idempotency-key.js';
import { ApiCreateJobBody } from './create-job.dto.js';
import { CreateJobPipe } from './create-job.pipe.js';
import {
  DeletedJobDto,
  EventsQuery,
  jobAnswer,
  JobEventPageDto,
  JobPageDto,
  JobDto,
  ListJobsQuery,
  pageAnswer,
  toJobEventPageDto,
  WaitQuery,
} from '../job.dto.js';
import type { JobRequest } from '../job-request.js';
import { JobsService } from '../jobs.service.js';
import { ApiResultResponse, sendResult } from '../result-response.js';

const LOCATION = {
  description: 'The path of the job.',
  required: true,
  schema: { type: 'string' },
};

@Controller('v1/jobs')
@RequiresScope('jobs')
@ApiTags('Jobs')
export class JobsController {
  constructor(private readonly jobs: JobsService) {}

  /**
   * Submit a document
   * @remarks The job is durable once this answers. Except for `type`, `metadata`, and `priority`, the body is that of Reducto’s endpoint; unknown fields are passed through. It is sent unchanged, including the order of names, the digits of numbers, and escapes.
   */
  @Post()
  @HttpCode(202)
  @ApiIdempotencyKey('Repeats with the same key return the same job.')
  @ApiCreateJobBody()
  @ApiAcceptedResponse({
    type: JobDto,
    description: 'The job, which is durable now.',
    headers: { Location: LOCATION },
  })
  @ApiProblems(
    'invalid_idempotency_key',
    'validation_failed',
    'idempotency_key_reused',
    'queue_full',
  )
  async submitJob(
    @CurrentCaller() caller: Caller,
    @JsonBody(CreateJobPipe) body: JobRequest,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonAnswer> {
    const key = readIdempotencyKey(request.headers['idempotency-key']);
    const job = await this.jobs.accept(caller.service, body, key);
    void reply.header('location', `/v1/jobs/${job.id}`);
    return jobAnswer(job);
  }

  /** List your jobs, newest first */
  @Get()
  @ApiOkResponse({ type: JobPageDto })
  async listJobs(
    @CurrentCaller() caller: Caller,
    @Query() { limit, cursor, ...filter }: ListJobsQuery,
  ): Promise<JsonAnswer> {
    const page = cursor === undefined ? filter : { ...filter, before: cursor };
    return pageAnswer(await this.jobs.list(caller.service, page, limit + 1), limit);
  }

  /** Read a job, or wait for its end */
  @Get(':id')
  @ApiOkResponse({
    type: JobDto,
    description: 'The job; after a wait that was too short, still open.',
  })
  @ApiProblems('job_not_found')
  async getJob(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Query() { wait }: WaitQuery,
    @ClientSignal() signal: AbortSignal,
  ): Promise<JsonAnswer> {
    return jobAnswer(await this.jobs.get(caller.service, id, wait, signal));
  }

  /**
   * Read the result of a completed job
   * @remarks Reducto’s result in one shape, whether Reducto delivered it inline or by URL. Compressed where `Accept-Encoding` prefers gzip; `HEAD`, `If-None-Match`, and `Range` with one range (of the decoded bytes) are supported.
   */
  @Get(':id/result')
  @ApiResultResponse()
  async getJobResult(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const result = await this.jobs.result(caller.service, id);
    await sendResult(request, reply, this.jobs.serve(result));
  }

  /** Read the timeline of a job, oldest event first */
  @Get(':id/events')
  @ApiProblems('job_not_found')
  async listJobEvents(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Query() { cursor, limit }: EventsQuery,
  ): Promise<JobEventPageDto> {
    return toJobEventPageDto(await this.jobs.events(caller.service, id, cursor, limit + 1), limit);
  }

  /**
   * Cancel a job
   * @remarks A job that was not sent yet is cancelled at once. Else Reducto is asked; the job may still complete. Asking twice is harmless.
   */
  @Post(':id/cancel')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: JobDto, description: 'The job, with the cancel noted.' })
  @ApiProblems('job_not_found', 'job_already_ended')
  async cancelJob(@CurrentCaller() caller: Caller, @UuidParam() id: string): Promise<JsonAnswer> {
    return jobAnswer(await this.jobs.cancel(caller.service, id));
  }

  /**
   * Delete a job that has ended
   * @remarks The gateway deletes the result, its files, and the metadata at once, and asks Reducto to delete the job. Later requests are answered with 409 `job_deletion_in_progress`, then with 410 `job_deleted`.
   */
  @Delete(':id')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: DeletedJobDto })
  @ApiProblems('job_not_found', 'job_not_completed')
  async deleteJob(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
  ): Promise<DeletedJobDto> {
    await this.jobs.delete(caller, id, false, 'api');
    return { id };
  }
}
