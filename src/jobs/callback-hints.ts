import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { TaskQueue } from '../tasks/task-queue.js';
import { isTerminal } from './job-status.js';
import type { Job } from './job.entity.js';
import { JobReads } from './job-reads.store.js';
import { JobStore } from './job.store.js';
import { isJobId } from './source-references.js';

/** A job as a callback may refer to it. */
export type CallbackJob = Pick<Job, 'id' | 'status' | 'upstreamId'>;

/** What a callback says, once the guards have let it pass. */
export interface CallbackHint {
  readonly upstreamId: string;
  readonly status: string;
  /** Whether a token or signature proved it; without, its upstream id is not even a claim. */
  readonly proven: boolean;
  /** The same message again: acted upon, but not entered in the timeline once more. */
  readonly repeated: boolean;
}

/** The door of the jobs for callbacks: find the job, and take the hint that it is time to look. */
@Injectable()
export class CallbackHints {
  constructor(
    private readonly store: JobStore,
    private readonly reads: JobReads,
    private readonly tasks: TaskQueue,
  ) {}

  /** By our id from the metadata, else by Reducto's. `null` where the job is none of ours. */
  async find(gatewayJobId: string | undefined, upstreamId: string): Promise<CallbackJob | null> {
    if (gatewayJobId !== undefined) {
      return isJobId(gatewayJobId) ? this.reads.findForCallback({ id: gatewayJobId }) : null;
    }
    return this.reads.findForCallback({ upstreamId });
  }

  isOpen(job: CallbackJob): boolean {
    return !isTerminal(job.status);
  }

  /** Notes the callback and wakes a worker, within the transaction that stores the callback. */
  async take(manager: EntityManager, job: CallbackJob, hint: CallbackHint): Promise<void> {
    if (!hint.repeated) {
      const detail = { status: hint.status, upstreamId: hint.upstreamId };
      await this.store.addEvent(manager, job.id, 'callback_received', detail);
    }
    if (isTerminal(job.status)) return;
    await this.store.noteCallback(manager, job.id, hint.proven ? hint.upstreamId : null);
    await this.tasks.add(manager, 'settle', [job.id]);
  }
}
