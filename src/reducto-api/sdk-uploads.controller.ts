import { Controller, Delete, HttpCode, Post, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { RequiresScope } from '../access/api-key.guard.js';
import type { Caller } from '../access/caller.js';
import { CurrentCaller } from '../access/caller.decorator.js';
import { readIdempotencyKey } from '../jobs/job-request.js';
import { UploadsService } from '../jobs/uploads.service.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { isRecord } from '../platform/json/is-record.js';
import { SDK_PATH } from './sdk-paths.js';

const UPLOAD_PATH = `${SDK_PATH}upload/`;
const EXTENSION = /^\.?[A-Za-z0-9]{1,12}$/;

/** Reducto’s `/upload`. */
@Controller('reducto')
@RequiresScope('jobs')
@ApiExcludeController()
export class SdkUploadsController {
  constructor(private readonly uploads: UploadsService) {}

  @Post('upload')
  @HttpCode(200)
  async uploadFile(
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
  ): Promise<{ file_id: string; presigned_url: null }> {
    if (!request.isMultipart() || request.headers['content-length'] === '0') throw noFile();
    const key = readIdempotencyKey(request.headers['idempotency-key']);
    const id = await this.uploads.upload(
      caller.service,
      request,
      readExtension(request.query),
      key,
    );
    return { file_id: id, presigned_url: null };
  }

  /** An id contains slashes. Go and Python escape them, Node does not. */
  @Delete('upload/*')
  async deleteFile(
    @CurrentCaller() { service }: Caller,
    @Req() { url }: FastifyRequest,
  ): Promise<{ file_id: string }> {
    const id = uploadIdOf(url);
    await this.uploads.delete(service, id);
    return { file_id: id };
  }
}

/** The decoded rest of the path. The router has checked its encoding. */
function uploadIdOf(url: string): string {
  const [path = ''] = url.slice(UPLOAD_PATH.length).split('?', 1);
  const id = decodeURIComponent(path);
  if (id.includes('..')) throw new GatewayError('upload_not_found');
  return id;
}

function noFile(): GatewayError {
  return new GatewayError('validation_failed', undefined, {
    errors: [
      {
        path: 'file',
        message:
          'is required as a file of a multipart form. The gateway issues no presigned URLs: give the upload a file, a stream, or the result of the SDK’s function for files, not a string',
      },
    ],
  });
}

function readExtension(query: unknown): string | undefined {
  const extension = isRecord(query) ? query['extension'] : undefined;
  if (extension === undefined || extension === '') return undefined;
  if (typeof extension === 'string' && EXTENSION.test(extension)) return extension;
  throw new GatewayError('invalid_query', undefined, {
    errors: [{ path: 'extension', message: 'must be 1 to 12 letters or digits' }],
  });
}
