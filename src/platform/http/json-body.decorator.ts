import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** A JSON body: what it means, and how it is written. */
export interface JsonBody {
  readonly value: unknown;
  readonly text: string;
}

/** Injects the body with its text, for what is passed on as it was written. */
export const JsonBody = createParamDecorator(
  (_data: unknown, context: ExecutionContext): JsonBody => {
    const { body, jsonText } = context.switchToHttp().getRequest<FastifyRequest>();
    return { value: body, text: jsonText ?? '' };
  },
);
