import { Controller, Post, Query, Req, UseGuards } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiTags,
} from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import { ApiKeyGuard, NeedsScope } from '../access/api-key.guard.js';
import { ApiProblems } from '../platform/errors/api-problems.js';
import { UploadsService } from './uploads.service.js';

class UploadQuery {
  @IsOptional()
  @Matches(/^\.?[A-Za-z0-9]{1,12}$/)
  @ApiPropertyOptional({
    example: 'pdf',
    description: 'Type of the file, where its name does not tell.',
  })
  extension?: string;
}

class UploadView {
  @ApiProperty({ example: 'reducto://8f6f2c3a-….pdf', description: 'What to give as `input`.' })
  id!: string;

  @ApiProperty({
    description: 'The same, under Reducto’s name: this whole answer can be given as `input` too.',
  })
  file_id!: string;
}

@Controller('v1/uploads')
@UseGuards(ApiKeyGuard)
@NeedsScope('jobs')
@ApiTags('Uploads')
@ApiBearerAuth()
@ApiProblems('unauthenticated', 'forbidden')
export class UploadsController {
  constructor(private readonly uploads: UploadsService) {}

  @Post()
  @ApiOperation({
    summary: 'Upload a document to Reducto',
    description:
      'One file, as the part `file` of a multipart form. It is passed on while it arrives; the gateway keeps nothing of it.',
  })
  @ApiConsumes('multipart/form-data')
  @ApiBody({
    schema: {
      type: 'object',
      properties: { file: { type: 'string', format: 'binary' } },
      required: ['file'],
    },
  })
  @ApiCreatedResponse({ type: UploadView })
  @ApiProblems(
    'malformed_request',
    'payload_too_large',
    'unsupported_media_type',
    'validation_failed',
    'upload_rejected',
    'upstream_rejected',
    'upstream_unavailable',
  )
  async upload(@Req() request: FastifyRequest, @Query() query: UploadQuery): Promise<UploadView> {
    const id = await this.uploads.passOn(request, query.extension);
    return { id, file_id: id };
  }
}
