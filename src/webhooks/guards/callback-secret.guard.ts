import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallbackChecks } from '../callback-checks.js';
import { callbackOf, recordVerdict } from './received-callback.js';

/** Does the sender know the token of this job, or a Svix signing secret? */
@Injectable()
export class CallbackSecretGuard implements CanActivate {
  constructor(private readonly checks: CallbackChecks) {}

  canActivate(context: ExecutionContext): true | Promise<never> {
    const callback = callbackOf(context.switchToHttp().getRequest<FastifyRequest>());
    return recordVerdict(callback, 'secret', this.checks.modeOf('secret', undefined), () => {
      const { verdict, found } = this.checks.checkSecret(callback, callback.message);
      if (found !== undefined) callback.provedBy = found;
      return verdict;
    });
  }
}
