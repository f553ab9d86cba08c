import { isJobId } from '../job.entity.js';
import { Injectable } from '@nestjs/common';
import { Batches } from '../../platform/batches.js';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { cutName } from '../../platform/errors/field-errors.js';
import { isTerminal, type JobStatus } from '../job-status.js';
import type { JobError } from '../job-error.js';
import type { QueuedJob } from './submission-queue.store.js';
import { JobInputsStore, type InputJob } from './job-inputs.store.js';
import { findReferences, translateReferences, type JobReference } from './job-references.js';

const BATCH_LIMITS = { size: 100, waiting: 10_000, concurrency: 2 };

interface Lookup {
  readonly service: string;
  readonly ids: readonly string[];
}

/** State of the jobs whose results a request uses. */
export type ResolvedInputs =
  /** `request` is JSON text. */
  | { readonly state: 'ready'; readonly request: string }
  /** `open`: ids of those that have not ended. */
  | { readonly state: 'pending'; readonly open: readonly string[] }
  | { readonly state: 'unusable'; readonly error: JobError };

/** Resolves `jobid://<id>` references to earlier jobs of the same service. A job waits until they have completed. */
@Injectable()
export class InputJobs {
  private readonly lookups = new Batches<Lookup, readonly InputJob[]>(
    (lookups) => this.findAll(lookups),
    BATCH_LIMITS,
  );

  constructor(private readonly store: JobInputsStore) {}

  /**
   * Returns the ids of those that have not ended. Throws `validation_failed` if a referenced job does not exist or
   * cannot complete.
   */
  async checkReferences(service: string, references: readonly JobReference[]): Promise<string[]> {
    if (references.length === 0) return [];
    const found = await this.findOwn(service, uniqueIds(references).filter(isJobId));
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
    return openOnes(found);
  }

  /** Returns the request with Reducto’s ids once all referenced jobs have completed. */
  async resolveReferences(
    job: Pick<QueuedJob, 'service' | 'request' | 'refersToJobs'>,
  ): Promise<ResolvedInputs> {
    const request = job.request ?? '{}';
    if (!job.refersToJobs) return { state: 'ready', request };
    const references = await findReferences(request);
    const ids = uniqueIds(references);
    const inputs = await this.findOwn(job.service, ids);
    const unusable = inputs.find((input) => !canStillBeRead(input.status));
    if (unusable !== undefined || inputs.length < ids.length) {
      const message = `The job cannot run: job ${unusable?.id ?? 'of its input'} is ${unusable?.status ?? 'deleted'}.`;
      return { state: 'unusable', error: { code: 'source_unusable', message, retryable: false } };
    }
    const open = openOnes(inputs);
    if (open.length > 0) return { state: 'pending', open };
    const upstreamIds = new Map(
      inputs.flatMap(({ id, upstreamId }) =>
        upstreamId === null ? [] : [[id, upstreamId] as const],
      ),
    );
    return { state: 'ready', request: translateReferences(request, references, upstreamIds) };
  }

  private findOwn(service: string, ids: readonly string[]): Promise<readonly InputJob[]> {
    return this.lookups.addItem({ service, ids });
  }

  private async findAll(lookups: readonly Lookup[]): Promise<InputJob[][]> {
    const found = await this.store.findInputs([...new Set(lookups.flatMap(({ ids }) => ids))]);
    const byId = new Map(found.map((job) => [job.id, job]));
    return lookups.map(({ service, ids }) =>
      ids.flatMap((id) => byId.get(id) ?? []).filter((job) => job.service === service),
    );
  }
}

function openOnes(inputs: readonly InputJob[]): string[] {
  return inputs.filter(({ status }) => !isTerminal(status)).map(({ id }) => id);
}

function uniqueIds(references: readonly JobReference[]): string[] {
  return [...new Set(references.map(({ id }) => id.toLowerCase()))];
}

function canStillBeRead(status: JobStatus): boolean {
  return status === 'completed' || !isTerminal(status);
}
