import { applyDecorators } from '@nestjs/common';
import { ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { isRecord } from '../json/is-record.js';
import { ERROR_CODES, type ErrorCode } from './error-codes.js';
import { Problem } from './problem.dto.js';

const PROBLEM_TYPE = 'application/problem+json';

/** Documents the problems of a route in addition to `COMMON_PROBLEMS`, one response per status. */
export function ApiProblems(...codes: ErrorCode[]): MethodDecorator & ClassDecorator {
  const responses = [...problemResponses(codes)];
  return applyDecorators(...responses.map(([status, one]) => ApiResponse({ status, ...one })));
}

/** Problems of every route that needs an API key. */
export const COMMON_PROBLEMS = [
  'malformed_request',
  'unauthenticated',
  'forbidden',
  'too_many_requests',
  'internal_error',
  'unavailable',
] as const satisfies ErrorCode[];

/** One response per status, which lists its codes for clients. */
export function problemResponses(
  codes: readonly ErrorCode[],
): Map<number, ReturnType<typeof problemResponse>> {
  const byStatus = Map.groupBy(new Set(codes), (code) => ERROR_CODES[code].status);
  return new Map([...byStatus].map(([status, list]) => [status, problemResponse(list)]));
}

/** The codes of a response of `problemResponses`; empty for other responses. */
export function codesOf(response: unknown): ErrorCode[] {
  const content = isRecord(response) ? response['content'] : undefined;
  const media = isRecord(content) ? content[PROBLEM_TYPE] : undefined;
  const examples = isRecord(media) && isRecord(media['examples']) ? media['examples'] : {};
  const isListed = (code: string): code is ErrorCode => Object.hasOwn(examples, code);
  return Object.keys(ERROR_CODES).filter(isListed);
}

function problemResponse(codes: readonly ErrorCode[]) {
  return {
    description: codes.map((code) => `\`${code}\`: ${ERROR_CODES[code].title}`).join('; '),
    content: {
      [PROBLEM_TYPE]: {
        schema: {
          allOf: [
            { $ref: getSchemaPath(Problem) },
            { type: 'object', properties: { code: { type: 'string', enum: [...codes] } } },
          ],
        },
        examples: Object.fromEntries(
          codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]),
        ),
      },
    },
  };
}
