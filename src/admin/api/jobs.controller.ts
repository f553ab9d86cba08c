import { Controller, Get, HttpCode, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import {
  ApiBearerAuth,
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
import { JobEventPageDto, toJobEventPageDto } from '../../jobs/job.dto.js';
import { JobsAdminService } from '../../jobs/jobs-admin.service.js';
import { DescribesResult } from '../../jobs/result-description.js';
import { EventsQuery } from '../../jobs/list-jobs.query.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import type { JsonAnswer } from '../../platform/http/json-answer.js';
import { CallbackHistory } from '../../webhooks/callback-history.js';
import { AdminJobs } from '../admin-jobs.js';
import {
  adminDetailAnswer,
  adminJobAnswer,
  AdminCountQuery,
  AdminJobDetailDto,
  AdminJobPageDto,
  AdminJobDto,
  AdminListQuery,
  adminPageAnswer,
  JobCallbackListDto,
  JobCountDto,
  searchOf,
  toJobCallbackListDto,
} from '../admin-job.dto.js';
import { byApi } from '../admin-actions.js';

const PAGE_SIZE = 50;
const EVENTS_PAGE_SIZE = 100;

@Controller('v1/admin/jobs')
@UseGuards(ApiKeyGuard)
@NeedsScope('admin')
@ApiTags('Admin')
@ApiBearerAuth()
export class AdminJobsController {
  constructor(
    private readonly jobs: JobsAdminService,
    private readonly adminJobs: AdminJobs,
    private readonly callbackHistory: CallbackHistory,
  ) {}

  @Get()
  @ApiOperation({ operationId: 'listAllJobs', summary: 'List jobs of all services, newest first' })
  @ApiOkResponse({ type: AdminJobPageDto, description: 'A page of jobs.' })
  async list(@Query() query: AdminListQuery): Promise<JsonAnswer> {
    const { limit = PAGE_SIZE } = query;
    return adminPageAnswer(await this.jobs.search(searchOf(query), limit + 1), limit);
  }

  @Get('count')
  @ApiOperation({
    operationId: 'countAllJobs',
    summary: 'Count jobs of all services',
    description: 'Filters as for the list. Counting stops at 10,000.',
  })
  @ApiOkResponse({ type: JobCountDto, description: 'The number of jobs.' })
  async count(@Query() query: AdminCountQuery): Promise<JobCountDto> {
    const { count, more } = await this.jobs.count(searchOf(query));
    return { count, complete: !more };
  }

  @Get(':id')
  @ApiOperation({ operationId: 'getAnyJob', summary: 'Read a job of any service' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: AdminJobDetailDto, description: 'The job.' })
  @ApiProblems('job_not_found')
  async get(@Param('id') id: string): Promise<JsonAnswer> {
    const job = await this.jobs.get(id);
    const result = await this.jobs.resultFacts(job);
    const facts =
      result === undefined ? null : { bytes: result.sizeBytes, pages: result.pages ?? null };
    return adminDetailAnswer(job, facts);
  }

  @Get(':id/callbacks')
  @ApiOperation({
    operationId: 'listAnyJobCallbacks',
    summary: 'List the accepted callbacks of a job of any service, oldest first',
    description: 'At most 100. Refused ones: `GET /v1/admin/refusals?job=`.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: JobCallbackListDto, description: 'The callbacks.' })
  @ApiProblems('job_not_found')
  async callbacks(@Param('id') id: string): Promise<JobCallbackListDto> {
    const job = await this.jobs.get(id);
    return toJobCallbackListDto(await this.callbackHistory.listForJob(job.id));
  }

  @Get(':id/events')
  @ApiOperation({
    operationId: 'listAnyJobEvents',
    summary: 'Read the timeline of a job of any service, oldest event first',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: JobEventPageDto, description: 'A page of events.' })
  @ApiProblems('job_not_found')
  async events(
    @Param('id') id: string,
    @Query() { cursor, limit = EVENTS_PAGE_SIZE }: EventsQuery,
  ): Promise<JobEventPageDto> {
    const job = await this.jobs.get(id);
    return toJobEventPageDto(await this.jobs.events(job, cursor, limit + 1), limit);
  }

  @Get(':id/result')
  @ApiOperation({
    operationId: 'getAnyJobResult',
    summary: 'Read the result of a job of any service',
    description: 'As its service can. The read is recorded in the audit.',
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
    await this.adminJobs.sendResult(byApi(caller), id, request, reply);
  }

  @Post(':id/poll')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'pollJob',
    summary: 'Poll a job now',
    description: 'A worker asks Reducto for its status, or sends the job if it is still queued.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiResponse({ status: 202, type: AdminJobDto, description: 'The job, before the poll.' })
  @ApiProblems('job_not_found', 'job_already_ended')
  async poll(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<JsonAnswer> {
    return adminJobAnswer(await this.adminJobs.poll(byApi(caller), id));
  }

  @Post(':id/cancel')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'cancelAnyJob',
    summary: 'Cancel a job of any service',
    description: 'As its service can: a job that Reducto already has may still complete.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiResponse({ status: 202, type: AdminJobDto, description: 'The job, with the cancel noted.' })
  @ApiProblems('job_not_found', 'job_already_ended')
  async cancel(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<JsonAnswer> {
    return adminJobAnswer(await this.adminJobs.cancel(byApi(caller), id));
  }
}
