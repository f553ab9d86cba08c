import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequiresScope } from '../../access/api-key.guard.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import type { Caller } from '../../access/caller.js';
import { Settings } from '../../platform/config/settings.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { UuidParam } from '../../platform/http/uuid-param.decorator.js';
import { JobsService } from '../jobs.service.js';
import { ApiFileResponse } from '../api/result.openapi.js';
import { JobFileListDto, ListFilesQuery, toJobFileListDto } from './file.dto.js';
import { fileAddress, FileLinks } from './file-links.js';
import { sendFile } from './file-response.js';

@Controller('v1/jobs')
@RequiresScope('jobs')
@ApiTags('Jobs')
export class FilesController {
  constructor(
    private readonly jobs: JobsService,
    private readonly links: FileLinks,
    private readonly settings: Settings,
  ) {}

  /**
   * List the files of a completed job
   * @remarks Images, documents, and chart data that the result links to. The links in the result lead to them. `signedSeconds` asks for links that need no API key.
   */
  @Get(':id/files')
  @ApiProblems('job_not_found', 'job_not_completed', 'job_has_no_result', 'result_expired')
  async listJobFiles(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Query() { signedSeconds }: ListFilesQuery,
  ): Promise<JobFileListDto> {
    const files = await this.jobs.files(caller.service, id);
    return toJobFileListDto(files, ({ jobId, name }) =>
      signedSeconds === undefined
        ? fileAddress(this.settings, jobId, name)
        : this.links.signedAddress(jobId, name, signedSeconds),
    );
  }

  /**
   * Read a file of a completed job
   * @remarks As an attachment. `HEAD`, `If-None-Match`, and `Range` with one range are supported.
   */
  @Get(':id/files/:name')
  @ApiFileResponse()
  async getJobFile(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Param('name') name: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const file = await this.jobs.file(caller.service, id, name);
    await sendFile(request, reply, file, (range) => this.jobs.fileBytes(file, range));
  }
}
