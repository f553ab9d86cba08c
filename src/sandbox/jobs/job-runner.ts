import { VirtualClock } from '../clock.js';
import { DocumentError } from '../documents/document.js';
import { DocumentReader } from './document-reader.js';
import { isOpen, Job, JobError } from './job.js';
import { JobStore } from './job-store.js';
import { JsonObject, stringAt } from '../json.js';
import { PlatformState } from '../faults/platform-switches.js';

/** The job transitions that send webhooks. */
export interface JobTransitionListener {
  completing(job: Job): void;
  ended(job: Job): void;
}

/**
 * Runs the jobs:
 *
 *     [Idle ->] Pending -> InProgress -> Completing -> Completed
 *         any open state -> Failed | Cancelled
 *
 * The virtual clock schedules every transition. Each checks that the job is still open, because a
 * cancel or a control request may have ended it.
 */
export class JobRunner {
  #atWork = new Set<Job>();
  #waiting: Job[] = [];

  constructor(
    private readonly clock: VirtualClock,
    private readonly platform: PlatformState,
    private readonly jobs: JobStore,
    private readonly reader: DocumentReader,
    private readonly listener: JobTransitionListener,
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
      job.document ??= await this.reader.read(job);
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

  /** The number of pending batch jobs. */
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

  /** Priority jobs start first; jobs above the concurrency limit wait. */
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
    const reading = this.reader.read(job).catch((error: unknown) => asDocumentError(error));
    this.clock.after(job.sim.runMs ?? this.platform.current.runMs, async () => {
      const outcome = await reading;
      if (!isOpen(job)) return;
      if (job.sim.outcome === 'failed') return this.#failBySwitches(job);
      if (outcome instanceof DocumentError) {
        const { errorName, code, message } = outcome;
        return this.fail(job, message, { name: errorName, code, message });
      }
      job.document = outcome;
      this.#completing(job);
    });
  }

  #completing(job: Job): void {
    this.#move(job, 'Completing');
    this.listener.completing(job);
    if (job.sim.stuck === 'Completing') return;
    this.clock.after(job.sim.completingMs ?? this.platform.current.completingMs, () => {
      if (isOpen(job)) this.#end(job, 'Completed');
    });
  }

  #failBySwitches(job: Job): void {
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
    this.listener.ended(job);
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
