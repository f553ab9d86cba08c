import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallbackChecks } from './callback-checks.js';
import { callbackOf, enter } from './received-callback.js';

/** Asks: is this a job that we submitted, and is the id that Reducto gives it the one we know? */
@Injectable()
export class KnownJobGuard implements CanActivate {
  constructor(private readonly checks: CallbackChecks) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const callback = callbackOf(request, this.checks);
    if (callback.message === undefined) {
      throw new Error('the form of the callback has not been checked');
    }
    const { verdict, found } = await this.checks.jobId(callback.message);
    if (found !== undefined) {
      if (verdict.result === 'pass') callback.job = found;
      else callback.mismatchedJob = found;
    }
    const mode = this.checks.modeOf('job_id', callback.provedBy);
    const refused = enter(callback, 'job_id', mode, () => verdict);
    if (refused !== undefined) throw refused;
    return true;
  }
}
