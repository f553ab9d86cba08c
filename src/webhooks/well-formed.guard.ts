import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallbackChecks } from './callback-checks.js';
import { enter, receivedCallback } from './received-callback.js';

/** Asks: is this a callback at all? Without that, the guards after it have nothing to check. */
@Injectable()
export class WellFormedGuard implements CanActivate {
  constructor(private readonly checks: CallbackChecks) {}

  canActivate(context: ExecutionContext): boolean {
    const callback = receivedCallback(context.switchToHttp().getRequest<FastifyRequest>());
    return enter(callback, 'well_formed', 'enforce', () => {
      const { verdict, found } = this.checks.form(callback);
      if (found !== undefined) callback.message = found;
      return verdict;
    });
  }
}
