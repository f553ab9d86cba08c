import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Job } from '../jobs/job.entity.js';
import { JobsAdminService, sendFile } from '../jobs/jobs-admin.service.js';
import { sendResult } from '../jobs/result-response.js';
import type { Actor } from '../audit/audit-entry.js';
import { AdminActions } from './admin-actions.js';

/** Admin actions on jobs of any service, recorded in the audit. */
@Injectable()
export class AdminJobs {
  constructor(
    private readonly jobs: JobsAdminService,
    private readonly actions: AdminActions,
  ) {}

  /** Throws `job_not_found`, `job_already_ended`. */
  async poll(actor: Actor, id: string): Promise<Job> {
    const job = await this.jobs.get(id);
    return this.actions.run(actor, 'job.poll', identifiersOf(job), async () => ({
      result: await this.jobs.pollNow(job.id),
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

  /** Sends the result of a job of any service. Throws `job_not_found`, `job_has_no_result`, `result_expired`. */
  async sendResult(
    actor: Actor,
    id: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const job = await this.jobs.get(id);
    const result = await this.jobs.result(job);
    await this.actions.run(actor, 'job.result', identifiersOf(job), async () => {
      const name = `attachment; filename="result-${job.id}.json"`;
      void reply.header('content-disposition', name);
      const sent = sendResult(request, reply, this.jobs.serve(result));
      return { result: await sent, detail: { sha256: result.sha256, bytes: result.sizeBytes } };
    });
  }

  /** Sends a file of a job of any service. Throws as `sendResult`, or `file_not_found`. */
  async sendFile(
    actor: Actor,
    id: string,
    name: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const job = await this.jobs.get(id);
    const file = await this.jobs.file(job, name);
    const intent = { ...identifiersOf(job), file: file.name };
    await this.actions.run(actor, 'job.file', intent, async () => {
      const sent = sendFile(request, reply, file, (range) => this.jobs.fileBytes(file, range));
      return { result: await sent, detail: { sha256: file.sha256, bytes: file.sizeBytes } };
    });
  }
}

function identifiersOf({ id, service }: Job): Record<string, unknown> {
  return { job: id, service };
}
