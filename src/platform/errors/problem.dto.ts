import { ApiProperty } from '@nestjs/swagger';
import { ERROR_CODES, GatewayError, type ErrorCode, type FieldError } from './error-codes.js';

class ProblemField implements FieldError {
  /** @example 'split_description' */
  path!: string;

  /** @example 'is required' */
  message!: string;
}

/** An error as the API answers it: RFC 9457 problem details, `application/problem+json`. */
export class Problem {
  /**
   * Links to the section of the code in the documentation.
   * @example '/docs/errors#job_not_found'
   */
  type!: string;

  /** @example 'There is no such job' */
  title!: string;

  @ApiProperty({ example: 404 })
  status!: number;

  /** Stable; programs branch on it. */
  @ApiProperty({ enum: Object.keys(ERROR_CODES) })
  code!: ErrorCode;

  /** What happened and what to do about it. */
  detail?: string;

  @ApiProperty({ type: [ProblemField] })
  errors?: readonly FieldError[];

  /** Also in the header `X-Request-Id` and in the logs. */
  requestId?: string;
}

function problemOf(
  { code, detail, options: { errors } }: GatewayError,
  requestId?: string,
): Problem {
  const { status, title } = ERROR_CODES[code];
  return {
    type: `/docs/errors#${code}`,
    title,
    status,
    code,
    ...(detail === undefined ? {} : { detail }),
    ...(errors === undefined ? {} : { errors }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

/** For the description of the API. */
export function problemExample(code: ErrorCode): Problem {
  return problemOf(new GatewayError(code));
}

/** The JSON of a `Problem`. */
export function problemText(error: GatewayError, requestId: string): string {
  return JSON.stringify(problemOf(error, requestId));
}
