import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallbackChecks } from './callback-checks.js';
import { callbackOf, type CallbackRefused, type ReceivedCallback } from './received-callback.js';

/** A guard that needs nothing but the callback itself, and no database. */
@Injectable()
export abstract class StatelessGuard implements CanActivate {
  constructor(protected readonly checks: CallbackChecks) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const refused = this.check(callbackOf(request, this.checks));
    if (refused !== undefined) throw refused;
    return true;
  }

  /** Enters the verdict, unless it has been entered; returns the refusal where there is one. */
  abstract check(callback: ReceivedCallback): CallbackRefused | undefined;
}
