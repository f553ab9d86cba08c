import { Injectable } from '@nestjs/common';
import { Batches } from '../platform/batches.js';
import { Settings } from '../platform/config/settings.js';
import { Notifications } from '../platform/work/notifications.js';
import { OrphanedJobs } from './deletion/orphaned-jobs.js';
import { isTerminal } from './job-status.js';
import { isJobId, type Job } from './job.entity.js';
import { JobQueries } from './persistence/job-queries.store.js';
import { PollGrants } from './polling/poll-grants.js';
import { PollRequests } from './polling/poll-requests.js';

export { recordingStatement } from './polling/poll-requests.js';
export type { PollRequests, VerifiedCallback } from './polling/poll-requests.js';

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
    private readonly grants: PollGrants,
    private readonly notifications: Notifications,
    private readonly orphans: OrphanedJobs,
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

  /**
   * An authentic callback asserts an upstream job for `job`, which has another one: it is deleted with `job`. Without a signature
   * Reducto has to confirm it.
   */
  discardMismatch({ id }: KnownJob, upstreamId: string, isSigned: boolean): Promise<void> {
    return this.orphans.discardFound([{ jobId: id, upstreamId }], isSigned ? 'orphan' : 'callback');
  }

  isOpen(job: CallbackJob): boolean {
    return !isTerminal(job.status);
  }

  /** Does `work`, one statement or transaction that records callbacks, and begins the polls that they request. */
  async withPolls<T>(work: (polls: PollRequests) => Promise<T>): Promise<T> {
    const polls = new PollRequests(this.grants, this.notifications);
    try {
      const result = await work(polls);
      polls.announce();
      return result;
    } catch (error) {
      polls.abandon();
      throw error;
    }
  }
}
