import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** A JSON body, parsed and as its text. */
export interface JsonBody {
  readonly value: unknown;
  readonly text: string;
}

/** Injects the body with its text, which can be passed on unchanged. */
export const JsonBody = createParamDecorator(
  (_data: unknown, context: ExecutionContext): JsonBody => {
    const { body, jsonText } = context.switchToHttp().getRequest<FastifyRequest>();
    return { value: body, text: jsonText ?? '' };
  },
);
