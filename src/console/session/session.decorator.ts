import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { SignInNeeded } from './session.guard.js';
import type { Session } from './sessions.service.js';

/** The session that `SessionGuard` found. */
export const CurrentSession = createParamDecorator(
  (_: unknown, context: ExecutionContext): Session => {
    const { session } = context.switchToHttp().getRequest<FastifyRequest>();
    if (session === undefined) throw new SignInNeeded();
    return session;
  },
);

/** What a form has sent. */
export const Form = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const { body } = context.switchToHttp().getRequest<FastifyRequest>();
  return body instanceof URLSearchParams ? body : new URLSearchParams();
});
