import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

/**
 * Injects a signal that aborts once the connection of the client has closed. Fastify’s `request.signal` depends on the
 * body: it can abort as soon as the body is read, or never.
 */
export const ClientSignal = createParamDecorator(
  (_data: unknown, context: ExecutionContext): AbortSignal => {
    const { raw, request } = context.switchToHttp().getResponse<FastifyReply>();
    if (request.socket.destroyed) return AbortSignal.abort();
    const closed = new AbortController();
    raw.once('close', () => closed.abort());
    return closed.signal;
  },
);
