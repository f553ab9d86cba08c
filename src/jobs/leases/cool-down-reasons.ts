import { Injectable } from '@nestjs/common';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import { Job } from '../job.entity.js';

const POLL_REASON =
  'Polling backs off because Reducto is unavailable, limits requests, or refuses the API key of the gateway; the gateway polls the job again';
const SUBMIT_REASON =
  'Submitting backs off because Reducto is unavailable, limits requests, or refuses the API key of the gateway; the gateway submits the job then';

/**
 * Adds the reason and the time to jobs whose submits or polls wait for a cool-down. It is derived on read: one row
 * delays all jobs, and no job row is written.
 */
@Injectable()
export class CoolDownReasons {
  constructor(private readonly rateLimiter: UpstreamRateLimiter) {}

  /** `jobs` with the reasons of those that would be due before requests are allowed again. */
  async explain(jobs: readonly Job[]): Promise<Job[]> {
    const { polls, submits } = this.rateLimiter;
    const pollsUntil = jobs.some(isToBePolled) ? await polls.coolDownUntil() : null;
    const submitsUntil = jobs.some(isToBeSubmitted) ? await submits.coolDownUntil() : null;
    return jobs.map((job) => {
      if (isToBePolled(job)) return deferredUntil(job, pollsUntil, POLL_REASON);
      if (isToBeSubmitted(job)) return deferredUntil(job, submitsUntil, SUBMIT_REASON);
      return job;
    });
  }
}

function deferredUntil(job: Job, until: Date | null, reason: string): Job {
  if (until === null || job.nextCheckAt === null || job.nextCheckAt >= until) return job;
  const deferralReason = job.deferralReason ?? reason;
  return Object.assign(new Job(), job, { deferralReason, deferredUntil: until });
}

function isToBePolled({ status, lease }: Job): boolean {
  return (status === 'submitted' || status === 'uncertain') && lease === null;
}

function isToBeSubmitted({ status, lease }: Job): boolean {
  return status === 'queued' && lease === null;
}
