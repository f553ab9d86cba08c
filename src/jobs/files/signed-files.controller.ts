import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { UuidParam } from '../../platform/http/uuid-param.decorator.js';
import { ApiFileResponse } from '../api/result.openapi.js';
import { SignedLinkQuery } from './file.dto.js';
import { FileLinks } from './file-links.js';
import { sendFile } from './file-response.js';
import { JobFiles } from './job-files.js';

/** For programs that cannot send an API key: the signature of the link is the permission. */
@Controller('files')
@ApiTags('Jobs')
export class SignedFilesController {
  constructor(
    private readonly files: JobFiles,
    private readonly links: FileLinks,
  ) {}

  /**
   * Read a file by a signed link
   * @remarks The links are those of the list of files with `signedSeconds`. No API key is needed.
   */
  @Get(':id/:name')
  @ApiFileResponse()
  @ApiProblems(
    'malformed_request',
    'link_not_valid',
    'not_found',
    'job_not_found',
    'file_not_found',
    'invalid_query',
    'internal_error',
    'unavailable',
  )
  async getFileByLink(
    @UuidParam() id: string,
    @Param('name') name: string,
    @Query() query: SignedLinkQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    // Before any read of the database.
    this.links.verify(id, name, query);
    const file = await this.files.findByLink(id, name);
    await sendFile(request, reply, file, (range) => this.files.readBytes(file, range));
  }
}
