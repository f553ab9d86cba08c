import { Injectable } from '@nestjs/common';
import { GatewayError } from '../platform/errors/error-codes.js';
import { truncate } from '../platform/text.js';
import { isTerminal, type JobStatus } from './job-status.js';
import type { JobError } from './job-error.js';
import type { Job } from './job.entity.js';
import { JobReads } from './job-reads.store.js';
import { isJobId, referencedIds, translateReferences } from './source-references.js';

/** What the jobs that a job builds upon mean for its submit. */
export type Sources =
  | { readonly state: 'ready'; readonly request: Record<string, unknown> }
  | { readonly state: 'pending' }
  | { readonly state: 'unusable'; readonly error: JobError };

/** The most jobs that one input refers to. */
const MAX_SOURCES = 1000;

/**
 * The earlier jobs that an input refers to as `jobid://<id>`. Only jobs of the same service exist
 * here, and one that has not completed yet is waited for: Reducto reads its result.
 */
@Injectable()
export class SourceJobs {
  constructor(private readonly reads: JobReads) {}

  /** Throws `validation_failed` where `input` refers to a job that is not there or cannot complete. */
  async check(service: string, input: unknown): Promise<void> {
    for (const [id, status] of await this.statuses(service, input)) {
      const message =
        status === undefined
          ? `refers to job ${truncate(id, 60)}, which does not exist`
          : canStillBeRead(status)
            ? undefined
            : `refers to job ${id}, which is ${status}`;
      if (message !== undefined) {
        throw new GatewayError('validation_failed', undefined, {
          errors: [{ path: 'input', message }],
        });
      }
    }
  }

  /** The request with Reducto's ids in it, once every job that it refers to has completed. */
  async resolve(job: Pick<Job, 'service' | 'request'>): Promise<Sources> {
    const request = job.request ?? {};
    const ids = uniqueIds(request['input']);
    if (ids.length === 0) return { state: 'ready', request };
    const sources = await this.reads.findOwnMany(job.service, ids);
    const unusable = sources.find((source) => !canStillBeRead(source.status));
    if (unusable !== undefined || sources.length < ids.length) {
      const message = `The job cannot run: job ${unusable?.id ?? 'of its input'} is ${unusable?.status ?? 'gone'}.`;
      return { state: 'unusable', error: { code: 'source_unusable', message, retryable: false } };
    }
    const upstreamIds = new Map<string, string>();
    for (const { id, status, upstreamId } of sources) {
      if (status !== 'completed' || upstreamId === null) return { state: 'pending' };
      upstreamIds.set(id, upstreamId);
    }
    const input = translateReferences(request['input'], upstreamIds);
    return { state: 'ready', request: { ...request, input } };
  }

  private async statuses(
    service: string,
    input: unknown,
  ): Promise<Map<string, JobStatus | undefined>> {
    const ids = uniqueIds(input);
    if (ids.length === 0) return new Map();
    if (ids.length > MAX_SOURCES) {
      const message = `refers to more than ${MAX_SOURCES} jobs`;
      throw new GatewayError('validation_failed', undefined, {
        errors: [{ path: 'input', message }],
      });
    }
    const found = await this.reads.findOwnMany(service, ids.filter(isJobId));
    const byId = new Map(found.map((job) => [job.id, job.status]));
    return new Map(ids.map((id) => [id, byId.get(id)]));
  }
}

function uniqueIds(input: unknown): string[] {
  return [...new Set(referencedIds(input).map((id) => id.toLowerCase()))];
}

function canStillBeRead(status: JobStatus): boolean {
  return status === 'completed' || !isTerminal(status);
}
