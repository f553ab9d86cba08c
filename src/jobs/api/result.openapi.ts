import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { FILE_TYPES } from '../files/file-type.js';

const REPRESENTATION = {
  ETag: {
    description: 'Differs between the encodings of a result.',
    required: true,
    schema: { type: 'string' },
  },
  Vary: { required: true, schema: { type: 'string' } },
  'Cache-Control': { required: true, schema: { type: 'string' } },
  'Accept-Ranges': {
    description:
      '`none` if the API has another address than when the gateway stored the result: then it replaces the links to files.',
    required: true,
    schema: { type: 'string', enum: ['bytes', 'none'] },
  },
};
const FILE = {
  'Content-Disposition': {
    required: true,
    schema: { type: 'string', example: 'attachment; filename="image-0001.png"' },
  },
  'Content-Security-Policy': { required: true, schema: { type: 'string' } },
  'Cache-Control': REPRESENTATION['Cache-Control'],
  'Accept-Ranges': { required: true, schema: { type: 'string', enum: ['bytes'] } },
  ETag: { required: true, schema: { type: 'string' } },
};
const RANGE = {
  'Content-Range': { required: true, schema: { type: 'string', example: 'bytes 0-99/1234' } },
};

/** Documents the representations of a result, and why there may be none. */
export const ApiResultResponse = (): MethodDecorator & ClassDecorator =>
  applyDecorators(
    header('If-None-Match', '`ETag` of a cached result.', '"9f86d081884c7d65"'),
    header('Range', 'One range of the decoded bytes.', 'bytes=0-99'),
    header('If-Range', 'The `ETag` of the result that `Range` continues.', '"9f86d081884c7d65"'),
    ApiResponse({
      status: 200,
      description: 'The result as Reducto wrote it; its `job_id` is the gateway’s id of the job.',
      headers: REPRESENTATION,
      content: {
        'application/json': {
          schema: { type: 'object', additionalProperties: true },
          example: {
            job_id: '01a20824-4a5b-7c31-9f0e-6d2b8c1e7a90',
            duration: 2.1,
            usage: { num_pages: 3, credits: 3 },
            result: { type: 'full', chunks: [] },
          },
        },
      },
    }),
    ApiResponse({
      status: 206,
      description: 'The requested range.',
      headers: { ...REPRESENTATION, ...RANGE },
      content: { 'application/json': { schema: {} } },
    }),
    ApiResponse({
      status: 304,
      description: 'The cached result is current (`If-None-Match`).',
      headers: REPRESENTATION,
    }),
    ApiProblems(
      'job_not_found',
      'not_acceptable',
      'job_not_completed',
      'job_has_no_result',
      'result_expired',
      'range_not_satisfiable',
    ),
  );

/** Documents the representations of a file, and why there may be none. */
export const ApiFileResponse = (): MethodDecorator & ClassDecorator => {
  const content = Object.fromEntries(
    FILE_TYPES.map((type) => [type, { schema: { type: 'string', format: 'binary' } }]),
  );
  return applyDecorators(
    header('If-None-Match', '`ETag` of a cached file.', '"9f86d081884c7d65"'),
    header('Range', 'One range of bytes.', 'bytes=0-99'),
    header('If-Range', 'The `ETag` of the file that `Range` continues.', '"9f86d081884c7d65"'),
    ApiResponse({ status: 200, description: 'The file.', headers: FILE, content }),
    ApiResponse({
      status: 206,
      description: 'The requested range.',
      headers: { ...FILE, ...RANGE },
      content,
    }),
    ApiResponse({
      status: 304,
      description: 'The cached file is current (`If-None-Match`).',
      headers: FILE,
    }),
    ApiProblems(
      'job_not_found',
      'file_not_found',
      'job_not_completed',
      'job_has_no_result',
      'result_expired',
      'range_not_satisfiable',
    ),
  );
};

function header(name: string, description: string, example: string): MethodDecorator {
  return ApiHeader({ name, required: false, description, schema: { type: 'string', example } });
}
