import { VirtualClock } from '../clock.js';
import { DocumentError } from '../documents/document.js';
import { DocumentReader } from './document-reader.js';
import { isOpen, Job, JobError } from './job.js';
import { buildResult } from './job-result.js';
import { JobStore } from './job-store.js';
import { JsonObject, stringAt } from '../json.js';
import { PlatformState } from '../faults/platform-switches.js';

/** Which moment of a job somebody else cares about: the webhooks do. */
export interface JobMoments {
  completing(job: Job): void;
  ended(job: Job): void;
}

/**
 * Moves jobs along:
 *
 *     [Idle ->] Pending -> InProgress -> Completing -> Completed
 *         any open state -> Failed | Cancelled
 *
 * Every step is planned on the virtual clock and looks first whether the job is still open: a cancel
 * or a scripted end may have come in between.
 */
export class JobRunner {
  #atWork = new Set<Job>();
  #waiting: Job[] = [];

  constructor(
    private readonly clock: VirtualClock,
    private readonly platform: PlatformState,
    private readonly jobs: JobStore,
    private readonly reader: DocumentReader,
    private readonly moments: JobMoments,
  ) {}

  start(job: Job): void {
    const { sim } = job;
    if (sim.stuck === 'Idle') return this.#move(job, 'Idle');
    if (sim.idleMs !== undefined) this.#move(job, 'Idle');
    this.clock.after(sim.idleMs ?? 0, () => this.#queue(job));
  }

  async complete(job: Job): Promise<void> {
    if (!isOpen(job)) return;
    try {
      const { pages, file } = await this.reader.read(job);
      job.result ??= buildResult(job, pages, file);
    } catch (error) {
      const { errorName, code, message } = asDocumentError(error);
      return this.fail(job, message, { name: errorName, code, message });
    }
    this.#end(job, 'Completed');
  }

  fail(job: Job, reason: string | null, error: JobError | null): void {
    if (!isOpen(job)) return;
    job.reason = reason;
    job.error = error && { ...error, job_id: job.id };
    this.#end(job, 'Failed');
  }

  cancel(job: Job): void {
    if (!isOpen(job)) return;
    job.reason = 'Job was cancelled';
    job.error = { name: 'JOB_CANCELLED', code: 409, message: job.reason, job_id: job.id };
    this.#end(job, 'Cancelled');
  }

  /** Batch jobs that wait: the batch queue has a limit. */
  batchQueueLength(): number {
    return this.jobs.all().filter((job) => job.batch && job.status === 'Pending').length;
  }

  reset(): void {
    this.#atWork = new Set();
    this.#waiting = [];
  }

  #queue(job: Job): void {
    if (!isOpen(job)) return;
    this.#move(job, 'Pending');
    if (job.sim.stuck === 'Pending') return;
    const { queueMs, batchQueueMs } = this.platform.current;
    this.clock.after(job.sim.queueMs ?? (job.batch ? batchQueueMs : queueMs), () => {
      if (!isOpen(job)) return;
      this.#waiting.push(job);
      this.#fillSlots();
    });
  }

  /** Workers drain the priority queue first; a full platform only makes jobs wait. */
  #fillSlots(): void {
    while (this.#waiting.length > 0 && this.#hasFreeSlot()) {
      const index = this.#waiting.findIndex((job) => job.priority);
      for (const next of this.#waiting.splice(Math.max(0, index), 1)) {
        if (isOpen(next)) this.#work(next);
      }
    }
  }

  #hasFreeSlot(): boolean {
    const { maxConcurrentJobs } = this.platform.current;
    return maxConcurrentJobs === 0 || this.#atWork.size < maxConcurrentJobs;
  }

  #work(job: Job): void {
    this.#atWork.add(job);
    job.startedAt = this.clock.now();
    this.#move(job, 'InProgress');
    if (job.sim.stuck === 'InProgress') return;
    const reading = this.reader.read(job).then(
      ({ pages, file }) => buildResult(job, pages, file),
      (error: unknown) => asDocumentError(error),
    );
    this.clock.after(job.sim.runMs ?? this.platform.current.runMs, async () => {
      const outcome = await reading;
      if (!isOpen(job)) return;
      if (job.sim.outcome === 'failed') return this.#failAsTold(job);
      if (outcome instanceof DocumentError) {
        const { errorName, code, message } = outcome;
        return this.fail(job, message, { name: errorName, code, message });
      }
      job.result = outcome;
      this.#completing(job);
    });
  }

  #completing(job: Job): void {
    this.#move(job, 'Completing');
    this.moments.completing(job);
    if (job.sim.stuck === 'Completing') return;
    this.clock.after(job.sim.completingMs ?? this.platform.current.completingMs, () => {
      if (isOpen(job)) this.#end(job, 'Completed');
    });
  }

  #failAsTold(job: Job): void {
    const { reason, error } = job.sim;
    const message = reason === undefined ? 'The document could not be processed' : reason;
    this.fail(job, message, error ? jobError(error, message) : defaultError(message));
  }

  #move(job: Job, status: Job['status']): void {
    job.status = status;
    this.jobs.changed(job);
  }

  #end(job: Job, status: 'Completed' | 'Failed' | 'Cancelled'): void {
    job.endedAt = this.clock.now();
    this.#atWork.delete(job);
    this.#move(job, status);
    this.moments.ended(job);
    this.#fillSlots();
  }
}

function asDocumentError(error: unknown): DocumentError {
  if (error instanceof DocumentError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new DocumentError('INTERNAL_ERROR', 500, why);
}

function defaultError(message: string | null): JobError | null {
  return message === null ? null : { name: 'PROCESSING_FAILED', code: 500, message };
}

export function jobError(given: JsonObject, fallback: string | null): JobError {
  return {
    name: stringAt(given, 'name') ?? 'PROCESSING_FAILED',
    code: typeof given['code'] === 'number' ? given['code'] : 500,
    message: stringAt(given, 'message') ?? fallback ?? 'The job failed',
  };
}
