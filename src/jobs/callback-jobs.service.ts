import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Batches } from '../platform/batches.js';
import { Settings } from '../platform/config/settings.js';
import { Notifications } from '../platform/work/notifications.js';
import { isTerminal, type JobStatus } from './job-status.js';
import { isJobId, type Job } from './job.entity.js';
import { JobQueries } from './persistence/job-queries.store.js';
import {
  JobTransitionsStore,
  POLLS_DUE,
  UNCERTAIN_DUE,
  type VerifiedCallback,
} from './persistence/job-transitions.store.js';

export type { VerifiedCallback } from './persistence/job-transitions.store.js';

/** The gateway’s and Reducto’s id of a job, and its service. */
export type KnownJob = Pick<Job, 'id' | 'upstreamId' | 'service'>;

/** A job that a callback refers to. */
export type CallbackJob = KnownJob & Pick<Job, 'status'>;

const MAX_PER_LOOKUP = 200;
const CONCURRENT_LOOKUPS = 2;

/** Jobs for callbacks: finds the job of a callback and requests its poll. */
@Injectable()
export class CallbackJobsService {
  private readonly byId: Batches<string, CallbackJob | null>;
  private readonly byUpstreamId: Batches<string, CallbackJob | null>;

  constructor(
    private readonly transitions: JobTransitionsStore,
    private readonly notifications: Notifications,
    queries: JobQueries,
    settings: Settings,
  ) {
    const limits = {
      size: MAX_PER_LOOKUP,
      waiting: settings.WEBHOOK_BACKLOG,
      concurrency: CONCURRENT_LOOKUPS,
    };
    this.byId = new Batches((ids) => queries.findForCallbacks('id', ids), limits);
    this.byUpstreamId = new Batches((ids) => queries.findForCallbacks('upstreamId', ids), limits);
  }

  /** Callbacks that wait for the next lookup. */
  get waiting(): number {
    return this.byId.length + this.byUpstreamId.length;
  }

  /**
   * Finds a job by the gateway’s id in the metadata, else by Reducto’s; `null` for an unknown job. Concurrent lookups
   * share a statement. Throws `unavailable` if more than `WEBHOOK_BACKLOG` wait.
   */
  async findJob(gatewayJobId: string | undefined, upstreamId: string): Promise<CallbackJob | null> {
    if (gatewayJobId === undefined) return this.byUpstreamId.addItem(upstreamId);
    return isJobId(gatewayJobId) ? this.byId.addItem(gatewayJobId) : null;
  }

  isOpen(job: CallbackJob): boolean {
    return !isTerminal(job.status);
  }

  /** Records callbacks and makes their jobs due. Call `announcePolls` after the commit. */
  requestPolls(
    manager: EntityManager,
    callbacks: readonly VerifiedCallback[],
  ): Promise<ReadonlySet<JobStatus>> {
    return this.transitions.recordCallbacks(manager, callbacks);
  }

  /** Wakes the workers of jobs in `statuses`. */
  announcePolls(statuses: ReadonlySet<JobStatus>): void {
    if (statuses.has('submitted')) this.notifications.send(POLLS_DUE);
    if (statuses.has('uncertain')) this.notifications.send(UNCERTAIN_DUE);
  }
}
