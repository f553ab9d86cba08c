import { Controller, Post, Query, Req, UseGuards } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiHeader,
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiTags,
} from '@nestjs/swagger';
import { RouteConfig } from '@nestjs/platform-fastify';
import { IsOptional, Matches } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import { ApiKeyGuard, NeedsScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { IDEMPOTENCY_KEY_SCHEMA, readIdempotencyKey } from '../api/idempotency-key.js';
import { EXPECTED_UPLOAD } from './upload-form.js';
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
  @ApiProperty({
    example: 'reducto://8f6f2c3a-0b1d-4c57-9d0e-2f1b7a9c6e55.pdf',
    description: 'What to give as `input`.',
  })
  id!: string;

  @ApiProperty({
    example: 'reducto://8f6f2c3a-0b1d-4c57-9d0e-2f1b7a9c6e55.pdf',
    description: 'The same, under Reducto’s name: this whole answer can be given as `input` too.',
  })
  file_id!: string;
}

@Controller('v1/uploads')
@UseGuards(ApiKeyGuard)
@NeedsScope('jobs')
@ApiTags('Uploads')
@ApiBearerAuth()
export class UploadsController {
  constructor(private readonly uploads: UploadsService) {}

  @Post()
  @RouteConfig({ expectedBody: EXPECTED_UPLOAD })
  @ApiOperation({
    operationId: 'uploadDocument',
    summary: 'Upload a document to Reducto',
    description:
      'One file, as the part `file` of a multipart form. It is passed on while it arrives; the gateway keeps nothing of its content. The upload belongs to your service: no other can use its id.',
  })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    schema: IDEMPOTENCY_KEY_SCHEMA,
    description:
      'A repeat with the same key and content returns the same upload, and nothing is sent to Reducto again. While the first one is in progress, a repeat is answered with 409.',
  })
  @ApiConsumes('multipart/form-data')
  @ApiBody({
    schema: {
      type: 'object',
      properties: { file: { type: 'string', format: 'binary' } },
      required: ['file'],
    },
  })
  @ApiCreatedResponse({ type: UploadView, description: 'The upload, which Reducto has.' })
  @ApiProblems(
    'invalid_idempotency_key',
    'validation_failed',
    'idempotency_key_in_use',
    'idempotency_key_reused',
    'upload_rejected',
    'upstream_rejected',
    'upstream_unavailable',
  )
  async upload(
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
    @Query() query: UploadQuery,
  ): Promise<UploadView> {
    const key = readIdempotencyKey(request.headers['idempotency-key']);
    const id = await this.uploads.upload(caller.service, request, query.extension, key);
    return { id, file_id: id };
  }
}
