import { Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequiresScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { EventsQuery, JobEventPageDto, toJobEventPageDto } from '../../jobs/job.dto.js';
import {
  JobFileListDto,
  JobsAdminService,
  toJobFileListDto,
} from '../../jobs/jobs-admin.service.js';
import { ApiFileResponse, ApiResultResponse } from '../../jobs/result-response.js';
import { Settings } from '../../platform/config/settings.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import type { JsonAnswer } from '../../platform/http/json-answer.js';
import { UuidParam } from '../../platform/http/uuid-param.decorator.js';
import { CallbackHistory } from '../../webhooks/callback-history.js';
import { AdminJobs } from '../admin-jobs.js';
import {
  adminDetailAnswer,
  adminJobAnswer,
  AdminJobDetailDto,
  AdminJobPageDto,
  AdminJobDto,
  adminPageAnswer,
  JobCallbackListDto,
  JobCountDto,
  toJobCallbackListDto,
} from '../admin-job.dto.js';
import { byApi } from '../admin-actions.js';
import { AdminCountQuery, AdminListQuery, searchOf } from './admin-jobs.query.js';

@Controller('v1/admin/jobs')
@RequiresScope('admin')
@ApiTags('Admin')
export class AdminJobsController {
  constructor(
    private readonly jobs: JobsAdminService,
    private readonly adminJobs: AdminJobs,
    private readonly callbackHistory: CallbackHistory,
    private readonly settings: Settings,
  ) {}

  /** List jobs of all services, newest first */
  @Get()
  @ApiOkResponse({ type: AdminJobPageDto })
  async listAllJobs(@Query() { limit, ...query }: AdminListQuery): Promise<JsonAnswer> {
    return adminPageAnswer(await this.jobs.search(searchOf(query), limit + 1), limit);
  }

  /**
   * Count jobs of all services
   * @remarks Filters as for the list. Counting stops at 10,000.
   */
  @Get('count')
  async countAllJobs(@Query() query: AdminCountQuery): Promise<JobCountDto> {
    const { count, more } = await this.jobs.count(searchOf(query));
    return { count, complete: !more };
  }

  /** Read a job of any service */
  @Get(':id')
  @ApiOkResponse({ type: AdminJobDetailDto })
  @ApiProblems('job_not_found')
  async getAnyJob(@UuidParam() id: string): Promise<JsonAnswer> {
    const job = await this.jobs.get(id);
    const result = await this.jobs.resultFacts(job);
    if (result === undefined) return adminDetailAnswer(job, null);
    const files = await this.jobs.filesIfAny(job);
    const fileBytes = files.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0);
    const { sizeBytes: bytes, pages = null } = result;
    return adminDetailAnswer(job, { bytes, pages, files: files.length, fileBytes });
  }

  /**
   * List the accepted callbacks of a job of any service, oldest first
   * @remarks At most 100. Refused ones: `GET /v1/admin/refusals?job=`.
   */
  @Get(':id/callbacks')
  @ApiProblems('job_not_found')
  async listAnyJobCallbacks(@UuidParam() id: string): Promise<JobCallbackListDto> {
    const job = await this.jobs.get(id);
    return toJobCallbackListDto(await this.callbackHistory.listForJob(job.id));
  }

  /** Read the timeline of a job of any service, oldest event first */
  @Get(':id/events')
  @ApiProblems('job_not_found')
  async listAnyJobEvents(
    @UuidParam() id: string,
    @Query() { cursor, limit }: EventsQuery,
  ): Promise<JobEventPageDto> {
    const job = await this.jobs.get(id);
    return toJobEventPageDto(await this.jobs.events(job, cursor, limit + 1), limit);
  }

  /**
   * Read the result of a job of any service
   * @remarks As its service can. The read is recorded in the audit.
   */
  @Get(':id/result')
  @ApiResultResponse()
  async getAnyJobResult(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.adminJobs.sendResult(byApi(caller), id, request, reply);
  }

  /** List the files of a completed job of any service */
  @Get(':id/files')
  @ApiProblems('job_not_found', 'job_not_completed', 'job_has_no_result', 'result_expired')
  async listAnyJobFiles(@UuidParam() id: string): Promise<JobFileListDto> {
    const files = await this.jobs.files(await this.jobs.get(id));
    const { apiUrl } = this.settings;
    return toJobFileListDto(
      files,
      ({ jobId, name }) => `${apiUrl}/v1/admin/jobs/${jobId}/files/${name}`,
    );
  }

  /**
   * Read a file of a completed job of any service
   * @remarks As its service can. The read is recorded in the audit.
   */
  @Get(':id/files/:name')
  @ApiFileResponse()
  async getAnyJobFile(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Param('name') name: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.adminJobs.sendFile(byApi(caller), id, name, request, reply);
  }

  /**
   * Poll a job now
   * @remarks A worker asks Reducto for its status, or sends the job if it is still queued.
   */
  @Post(':id/poll')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: AdminJobDto, description: 'The job, before the poll.' })
  @ApiProblems('job_not_found', 'job_already_ended')
  async pollJob(@CurrentCaller() caller: Caller, @UuidParam() id: string): Promise<JsonAnswer> {
    return adminJobAnswer(await this.adminJobs.poll(byApi(caller), id));
  }

  /**
   * Cancel a job of any service
   * @remarks As its service can: a job that Reducto already has may still complete.
   */
  @Post(':id/cancel')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: AdminJobDto, description: 'The job, with the cancel noted.' })
  @ApiProblems('job_not_found', 'job_already_ended')
  async cancelAnyJob(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
  ): Promise<JsonAnswer> {
    return adminJobAnswer(await this.adminJobs.cancel(byApi(caller), id));
  }
}
