import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { callbackOf, type ReceivedCallback } from './received-callback.js';

/** The callback that has passed the guards. */
export const CurrentCallback = createParamDecorator(
  (_: unknown, context: ExecutionContext): ReceivedCallback =>
    callbackOf(context.switchToHttp().getRequest<FastifyRequest>()),
);
