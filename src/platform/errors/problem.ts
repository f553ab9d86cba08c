import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ERROR_CODES, type ErrorCode, type FieldError, type GatewayError } from './error-codes.js';

class ProblemField implements FieldError {
  @ApiProperty({ example: 'split_description' })
  path!: string;

  @ApiProperty({ example: 'is required' })
  message!: string;
}

/** An error as the API answers it: RFC 9457 problem details, `application/problem+json`. */
export class Problem {
  @ApiProperty({ example: 'about:blank' })
  type!: string;

  @ApiProperty({ example: 'There is no such job' })
  title!: string;

  @ApiProperty({ example: 404 })
  status!: number;

  @ApiProperty({ enum: Object.keys(ERROR_CODES), description: 'Stable; decide by this.' })
  code!: ErrorCode;

  @ApiPropertyOptional({ description: 'What happened and what to do about it.' })
  detail?: string;

  @ApiPropertyOptional({ type: [ProblemField] })
  errors?: readonly FieldError[];

  @ApiPropertyOptional({ description: 'Also in the header `X-Request-Id` and in the logs.' })
  requestId?: string;
}

export function problemOf(error: GatewayError, requestId?: string): Problem {
  const { status, title } = ERROR_CODES[error.code];
  return {
    type: 'about:blank',
    title,
    status,
    code: error.code,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    ...(error.options.errors === undefined ? {} : { errors: error.options.errors }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}
