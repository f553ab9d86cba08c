import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallbackChecks } from '../callback-checks.js';
import { CallbackInbox } from '../receiving/callback-inbox.js';
import { callbackOf, enterVerdict } from './received-callback.js';

/**
 * Asks: is this a job that we submitted, and is the id that Reducto gives it the one we know? The last of the guards: the
 * statement that finds the job also stores the callback, where it is for that job.
 */
@Injectable()
export class KnownJobGuard implements CanActivate {
  constructor(
    private readonly checks: CallbackChecks,
    private readonly inbox: CallbackInbox,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const callback = callbackOf(request, this.checks);
    const { message, provedBy, clientAddress } = callback;
    if (message === undefined) throw new Error('the form of the callback has not been checked');
    const { stored: kept, job } = await this.inbox.storeCallback(
      message,
      provedBy ?? 'none',
      clientAddress,
    );
    const verdict = this.checks.checkJobId(job, message);
    if (kept !== (verdict.result === 'pass')) {
      throw new Error('the guard and the inbox do not agree about a callback');
    }
    if (job !== null) {
      if (kept) callback.job = job;
      else callback.mismatchedJob = job;
    }
    const mode = this.checks.modeOf('job_id', provedBy);
    return enterVerdict(callback, 'job_id', mode, () => verdict);
  }
}
