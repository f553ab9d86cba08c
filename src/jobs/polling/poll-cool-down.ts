import { Injectable } from '@nestjs/common';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import { Job } from '../job.entity.js';

const COOL_DOWN_REASON =
  'Polling backs off because Reducto is unavailable or limits requests; the gateway polls the job again';

/**
 * Adds the reason and the time to jobs whose polls wait for a cool-down. It is derived on read: one row delays the
 * polls of all jobs, and no job row is written.
 */
@Injectable()
export class PollCoolDown {
  constructor(private readonly rateLimiter: UpstreamRateLimiter) {}

  /** `jobs` with the reasons of those that would be due before polls are allowed again. */
  async explain(jobs: readonly Job[]): Promise<Job[]> {
    if (!jobs.some(isToBePolled)) return [...jobs];
    const until = await this.rateLimiter.coolDownUntil();
    if (until === null) return [...jobs];
    return jobs.map((job) => {
      if (!isToBePolled(job) || job.nextCheckAt >= until) return job;
      const deferralReason = job.deferralReason ?? COOL_DOWN_REASON;
      return Object.assign(new Job(), job, { deferralReason, deferredUntil: until });
    });
  }
}

function isToBePolled(job: Job): job is Job & { nextCheckAt: Date } {
  const isOpen = job.status === 'submitted' || job.status === 'uncertain';
  return isOpen && job.lease === null && job.nextCheckAt !== null;
}
