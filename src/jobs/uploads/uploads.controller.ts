import { Controller, Post, Query, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { RequiresScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { ApiIdempotencyKey, readIdempotencyKey } from '../api/idempotency-key.js';
import { EXPECTED_UPLOAD } from './upload-form.js';
import { ApiUploadForm, UploadDto, UploadQuery } from './upload.dto.js';
import { UploadsService } from '../uploads.service.js';

@Controller('v1/uploads')
@RequiresScope('jobs')
@ApiTags('Uploads')
export class UploadsController {
  constructor(private readonly uploads: UploadsService) {}

  /**
   * Upload a document to Reducto
   * @remarks One file, as the part `file` of a multipart form. The gateway streams it to Reducto and stores none of its content. The upload belongs to your service: no other can use its id.
   */
  @Post()
  @RouteConfig({ expectedBody: EXPECTED_UPLOAD })
  @ApiIdempotencyKey(
    'A repeat with the same key and content returns the same upload, and nothing is sent to Reducto again. While the first one is in progress, a repeat is answered with 409.',
  )
  @ApiUploadForm()
  @ApiProblems(
    'invalid_idempotency_key',
    'validation_failed',
    'idempotency_key_in_use',
    'idempotency_key_reused',
    'upload_rejected',
    'upstream_rejected',
    'upstream_unavailable',
  )
  async uploadDocument(
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
    @Query() { extension }: UploadQuery,
  ): Promise<UploadDto> {
    const key = readIdempotencyKey(request.headers['idempotency-key']);
    const id = await this.uploads.upload(caller.service, request, extension, key);
    return { id, file_id: id };
  }
}
