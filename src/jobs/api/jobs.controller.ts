import { Controller, Get, HttpCode, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiKeyGuard, NeedsScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import type { JsonAnswer } from '../../platform/http/json-answer.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { IDEMPOTENCY_KEY_SCHEMA, readIdempotencyKey } from './idempotency-key.js';
import {
  DescribesJobRequests,
  JOB_REQUEST_EXAMPLES,
  JOB_REQUEST_SCHEMA,
} from './create-job.dto.js';
import { CreateJobPipe } from './create-job.pipe.js';
import {
  jobAnswer,
  JobEventPageDto,
  JobPageDto,
  JobDto,
  pageAnswer,
  toJobEventPageDto,
} from '../job.dto.js';
import { EventsQuery, ListJobsQuery, WaitQuery } from '../list-jobs.query.js';
import { JobsService, type JobRequest } from '../jobs.service.js';
import { DescribesResult } from '../result-description.js';
import { sendResult } from '../result-response.js';

const PAGE_SIZE = 50;
const EVENTS_PAGE_SIZE = 100;

@Controller('v1/jobs')
@UseGuards(ApiKeyGuard)
@NeedsScope('jobs')
@ApiTags('Jobs')
@ApiBearerAuth()
export class JobsController {
  constructor(private readonly jobs: JobsService) {}

  @Post()
  @HttpCode(202)
  @ApiOperation({
    operationId: 'submitJob',
    summary: 'Submit a document',
    description:
      'The job is durable once this answers. Beside `type`, `metadata` and `priority` the body is Reducto’s own for that endpoint; fields that the gateway does not know are passed through. All of it is sent as you wrote it: the order of names, the digits of numbers, and escapes stay.',
  })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    schema: IDEMPOTENCY_KEY_SCHEMA,
    description: 'Repeats with the same key return the same job.',
  })
  @DescribesJobRequests()
  @ApiBody({ schema: JOB_REQUEST_SCHEMA, examples: JOB_REQUEST_EXAMPLES })
  @ApiResponse({
    status: 202,
    type: JobDto,
    description: 'The job, which is durable now.',
    headers: {
      Location: { description: 'The path of the job.', required: true, schema: { type: 'string' } },
    },
  })
  @ApiProblems('invalid_idempotency_key', 'validation_failed', 'idempotency_key_reused')
  async submit(
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

  @Get()
  @ApiOperation({ operationId: 'listJobs', summary: 'List your jobs, newest first' })
  @ApiOkResponse({ type: JobPageDto, description: 'A page of jobs.' })
  async list(@CurrentCaller() caller: Caller, @Query() query: ListJobsQuery): Promise<JsonAnswer> {
    const { status, type, idempotencyKey, cursor, limit = PAGE_SIZE } = query;
    const filter = {
      ...(status === undefined ? {} : { status }),
      ...(type === undefined ? {} : { type }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      ...(cursor === undefined ? {} : { before: cursor }),
    };
    // One more than asked for tells whether there is a next page.
    return pageAnswer(await this.jobs.list(caller.service, filter, limit + 1), limit);
  }

  @Get(':id')
  @ApiOperation({ operationId: 'getJob', summary: 'Read a job, or wait for its end' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({
    type: JobDto,
    description: 'The job; after a wait that was too short, still open.',
  })
  @ApiProblems('job_not_found')
  async get(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() query: WaitQuery,
    @Req() request: FastifyRequest,
  ): Promise<JsonAnswer> {
    return jobAnswer(await this.jobs.get(caller.service, id, query.wait ?? 0, request.signal));
  }

  @Get(':id/result')
  @ApiOperation({
    operationId: 'getJobResult',
    summary: 'Read the result of a completed job',
    description:
      'Reducto’s result in one shape, whether Reducto delivered it inline or by URL. Compressed where `Accept-Encoding` prefers gzip; `HEAD`, `If-None-Match`, and `Range` with one range (of the decoded bytes) are supported.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @DescribesResult()
  @ApiProblems(
    'job_not_found',
    'not_acceptable',
    'job_not_completed',
    'job_has_no_result',
    'result_expired',
    'range_not_satisfiable',
  )
  async result(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const result = await this.jobs.result(caller.service, id);
    await sendResult(request, reply, result, () => this.jobs.resultBytes(result));
  }

  @Get(':id/events')
  @ApiOperation({
    operationId: 'listJobEvents',
    summary: 'Read the timeline of a job, oldest event first',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: JobEventPageDto, description: 'A page of events.' })
  @ApiProblems('job_not_found')
  async events(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() { cursor, limit = EVENTS_PAGE_SIZE }: EventsQuery,
  ): Promise<JobEventPageDto> {
    return toJobEventPageDto(await this.jobs.events(caller.service, id, cursor, limit + 1), limit);
  }

  @Post(':id/cancel')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'cancelJob',
    summary: 'Cancel a job',
    description:
      'A job that was not sent yet is cancelled at once. Else Reducto is asked; the job may still complete. Asking twice is harmless.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiResponse({ status: 202, type: JobDto, description: 'The job, with the cancel noted.' })
  @ApiProblems('job_not_found', 'job_already_ended')
  async cancel(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<JsonAnswer> {
    return jobAnswer(await this.jobs.cancel(caller.service, id));
  }
}
