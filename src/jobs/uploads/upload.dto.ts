import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes } from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';

export class UploadQuery {
  /**
   * The type of the file, if its name has no extension.
   * @example 'pdf'
   */
  @IsOptional()
  @Matches(/^\.?[A-Za-z0-9]{1,12}$/)
  extension?: string;
}

export class UploadDto {
  /**
   * The value for `input`.
   * @example 'reducto://8f6f2c3a-0b1d-4c57-9d0e-2f1b7a9c6e55.pdf'
   */
  id!: string;

  /**
   * The same under Reducto’s name: `input` also accepts this whole answer.
   * @example 'reducto://8f6f2c3a-0b1d-4c57-9d0e-2f1b7a9c6e55.pdf'
   */
  file_id!: string;
}

/** Documents the form of an upload. */
export const ApiUploadForm = (): MethodDecorator & ClassDecorator =>
  applyDecorators(
    ApiConsumes('multipart/form-data'),
    ApiBody({
      schema: {
        type: 'object',
        properties: { file: { type: 'string', format: 'binary' } },
        required: ['file'],
      },
    }),
  );
