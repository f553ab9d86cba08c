import { Injectable } from '@nestjs/common';
import type { Job } from '../jobs/job.entity.js';
import { JobsAdmin } from '../jobs/jobs-admin.js';
import { AdminActions, type Actor } from './admin-actions.js';

/** What admins do to the jobs of services, recorded. */
@Injectable()
export class AdminJobs {
  constructor(
    private readonly jobs: JobsAdmin,
    private readonly actions: AdminActions,
  ) {}

  /** Throws `job_not_found`, `job_already_ended`. */
  async poll(actor: Actor, id: string): Promise<Job> {
    const job = await this.jobs.get(id);
    return this.actions.run(actor, 'job.settle', identifiersOf(job), async () => ({
      result: await this.jobs.settleNow(job.id),
    }));
  }

  /** Throws `job_not_found`, `job_already_ended`. */
  async cancel(actor: Actor, id: string): Promise<Job> {
    const job = await this.jobs.get(id);
    return this.actions.run(actor, 'job.cancel', identifiersOf(job), async () => {
      await this.jobs.cancel(job.id);
      return { result: await this.jobs.get(job.id) };
    });
  }
}

function identifiersOf({ id, service }: Job): Record<string, unknown> {
  return { job: id, service };
}
