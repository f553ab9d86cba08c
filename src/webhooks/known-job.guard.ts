import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Verdict } from '../audit/refusal.js';
import { CallbackHints, type CallbackJob } from '../jobs/callback-hints.js';
import { Settings } from '../platform/config/settings.js';
import { enter, receivedCallback, type ReceivedCallback } from './received-callback.js';

/** Asks: is this a job that we submitted, and is the id that Reducto gives it the one we know? */
@Injectable()
export class KnownJobGuard implements CanActivate {
  constructor(
    private readonly settings: Settings,
    private readonly hints: CallbackHints,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const callback = receivedCallback(request);
    const { message } = callback;
    if (message === undefined) throw new Error('the form of the callback has not been checked');
    const job = await this.hints.find(message.gatewayJobId, message.upstreamId);
    const verdict = judge(job, message.upstreamId);
    if (verdict.result === 'pass' && job !== null) callback.job = job;
    return enter(callback, 'job_id', this.modeFor(callback), () => verdict);
  }

  /**
   * A genuine Svix message for a job that is not ours is for another environment on the same Reducto
   * account. Refusing it would make Svix repeat it for a day, so it is noted and ignored.
   */
  private modeFor(callback: ReceivedCallback): 'enforce' | 'observe' | 'off' {
    const mode = this.settings.GUARD_JOB_ID;
    return mode === 'enforce' && callback.provedBy === 'svix' ? 'observe' : mode;
  }
}

function judge(job: CallbackJob | null, upstreamId: string): Verdict {
  if (job === null) return { result: 'fail', cause: 'job_unknown' };
  // A callback can be faster than the answer to the submit: then no id is known yet.
  if (job.upstreamId !== null && job.upstreamId !== upstreamId) {
    return { result: 'fail', cause: 'upstream_id_mismatch' };
  }
  return { result: 'pass' };
}
