import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallbackJobsService } from '../../jobs/callback-jobs.service.js';
import { CallbackChecks } from '../callback-checks.js';
import { callbackOf, recordVerdict } from './received-callback.js';

/** Did the gateway submit this job, and is the upstream id that of the job? */
@Injectable()
export class KnownJobGuard implements CanActivate {
  constructor(
    private readonly checks: CallbackChecks,
    private readonly callbackJobs: CallbackJobsService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const callback = callbackOf(context.switchToHttp().getRequest<FastifyRequest>());
    const { message, provedBy } = callback;
    if (message === undefined) throw new Error('WellFormedGuard must run before KnownJobGuard');
    const job = await this.callbackJobs.findJob(message.gatewayJobId, message.upstreamId);
    const verdict = this.checks.checkJobId(job, message);
    if (job !== null) {
      if (verdict.result === 'pass') callback.job = job;
      else callback.mismatchedJob = job;
    }
    return recordVerdict(callback, 'job_id', this.checks.modeOf('job_id', provedBy), () => verdict);
  }
}
