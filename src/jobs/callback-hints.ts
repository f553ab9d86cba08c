import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Batches } from '../platform/batches.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { isTerminal } from './job-status.js';
import type { Job } from './job.entity.js';
import { JobReads } from './job-reads.store.js';
import { JobStore, type NotedCallback } from './job.store.js';
import { isJobId } from './source-references.js';

export type { NotedCallback };

/** A job, by its id here and at Reducto. */
export type KnownJob = Pick<Job, 'id' | 'upstreamId'>;

/** A job as a callback may refer to it. */
export type CallbackJob = KnownJob & Pick<Job, 'status'>;

/** Lookups that may share one query, and that may wait for it. */
const LOOKUPS = { size: 500, waiting: 5000, atATime: 2 };

/** The door of the jobs for callbacks: find the job, and take the hint that it is time to look. */
@Injectable()
export class CallbackHints {
  private readonly byId: Batches<string, CallbackJob | null>;
  private readonly byUpstreamId: Batches<string, CallbackJob | null>;

  constructor(
    private readonly store: JobStore,
    private readonly tasks: TaskQueue,
    reads: JobReads,
  ) {
    this.byId = new Batches((ids) => reads.findForCallbacks('id', ids), LOOKUPS);
    this.byUpstreamId = new Batches((ids) => reads.findForCallbacks('upstreamId', ids), LOOKUPS);
  }

  /** By our id from the metadata, else by Reducto's. `null` where the job is none of ours. */
  async find(gatewayJobId: string | undefined, upstreamId: string): Promise<CallbackJob | null> {
    if (gatewayJobId === undefined) return this.byUpstreamId.add(upstreamId);
    return isJobId(gatewayJobId) ? this.byId.add(gatewayJobId) : null;
  }

  isOpen(job: CallbackJob): boolean {
    return !isTerminal(job.status);
  }

  /** Notes callbacks and wakes workers, within the transaction that keeps the callbacks. */
  async take(manager: EntityManager, callbacks: readonly NotedCallback[]): Promise<void> {
    const origins = callbacks.flatMap(({ jobId, trace }) =>
      typeof trace === 'string' ? [[jobId, trace] as const] : [],
    );
    const open = await this.store.noteCallbacks(manager, callbacks);
    await this.tasks.add(manager, 'settle', open, new Map(origins));
  }
}
