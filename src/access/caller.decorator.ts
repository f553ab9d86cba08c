import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../platform/errors/error-codes.js';
import type { Caller } from './caller.js';

/** The caller that `Authentication` found. */
export const CurrentCaller = createParamDecorator(
  (_: unknown, context: ExecutionContext): Caller => {
    const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
    if (caller === undefined) throw new GatewayError('unauthenticated');
    return caller;
  },
);
