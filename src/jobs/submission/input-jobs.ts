import { isJobId } from '../job.entity.js';
import { Injectable } from '@nestjs/common';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { cutName } from '../../platform/errors/field-errors.js';
import { isTerminal, type JobStatus } from '../job-status.js';
import type { JobError } from '../job-error.js';
import type { QueuedJob } from './submission-queue.store.js';
import { JobQueries } from '../persistence/job-queries.store.js';
import { findReferences, translateReferences, type JobReference } from './job-references.js';

/** State of the jobs whose results a request uses. */
export type ResolvedInputs =
  /** `request` is JSON text. */
  | { readonly state: 'ready'; readonly request: string }
  | { readonly state: 'pending'; readonly id: string }
  | { readonly state: 'unusable'; readonly error: JobError };

/** Resolves `jobid://<id>` references to earlier jobs of the same service. A job waits until they have completed. */
@Injectable()
export class InputJobs {
  constructor(private readonly queries: JobQueries) {}

  /** Throws `validation_failed` if a referenced job does not exist or cannot complete. */
  async checkReferences(service: string, references: readonly JobReference[]): Promise<void> {
    if (references.length === 0) return;
    const found = await this.queries.findOwnMany(service, uniqueIds(references).filter(isJobId));
    const statuses = new Map(found.map((job) => [job.id, job.status]));
    for (const { id, path } of references) {
      const status = statuses.get(id.toLowerCase());
      const message =
        status === undefined
          ? `refers to job ${id.slice(0, 60).toWellFormed()}, which does not exist`
          : canStillBeRead(status)
            ? undefined
            : `refers to job ${id}, which is ${status}`;
      if (message !== undefined) {
        throw new GatewayError('validation_failed', undefined, {
          errors: [{ path: cutName(path.join('.')), message }],
        });
      }
    }
  }

  /** Returns the request with Reducto’s ids once all referenced jobs have completed. */
  async resolveReferences(
    job: Pick<QueuedJob, 'service' | 'request' | 'refersToJobs'>,
  ): Promise<ResolvedInputs> {
    const request = job.request ?? '{}';
    if (!job.refersToJobs) return { state: 'ready', request };
    const references = await findReferences(request);
    const ids = uniqueIds(references);
    const inputs = await this.queries.findOwnMany(job.service, ids);
    const unusable = inputs.find((input) => !canStillBeRead(input.status));
    if (unusable !== undefined || inputs.length < ids.length) {
      const message = `The job cannot run: job ${unusable?.id ?? 'of its input'} is ${unusable?.status ?? 'deleted'}.`;
      return { state: 'unusable', error: { code: 'source_unusable', message, retryable: false } };
    }
    const upstreamIds = new Map<string, string>();
    for (const { id, status, upstreamId } of inputs) {
      if (status !== 'completed' || upstreamId === null) return { state: 'pending', id };
      upstreamIds.set(id, upstreamId);
    }
    return { state: 'ready', request: translateReferences(request, references, upstreamIds) };
  }
}

function uniqueIds(references: readonly JobReference[]): string[] {
  return [...new Set(references.map(({ id }) => id.toLowerCase()))];
}

function canStillBeRead(status: JobStatus): boolean {
  return status === 'completed' || !isTerminal(status);
}
