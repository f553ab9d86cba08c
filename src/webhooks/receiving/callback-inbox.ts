import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { CallbackJobsService, type KnownJob } from '../../jobs/callback-jobs.service.js';
import { isJobId } from '../../jobs/job.entity.js';
import { Batches } from '../../platform/batches.js';
import { Settings } from '../../platform/config/settings.js';
import { preparedRows } from '../../platform/database/sql.js';
import { addToSpan, currentTraceparent } from '../../platform/tracing/spans.js';
import { Wakeups } from '../../tasks/wakeups.js';
import type { CallbackMessage } from './callback-message.js';
import type { InboxEntry } from './inbox-entry.entity.js';

type Offered = Omit<InboxEntry, 'id' | 'receivedAt'>;

/** The outcome of `storeCallback`. */
export interface StoreResult {
  /** True once it is durable; only then may the gateway answer 200. */
  readonly stored: boolean;
  /** The job that the callback names; `null` if it is unknown. */
  readonly job: KnownJob | null;
}

/** The topic that announces callbacks to the relays. */
export const CALLBACKS_STORED = 'callbacks';

/** More callbacks in one commit make it no cheaper, and the first of them wait longer. */
const MAX_PER_COMMIT = 200;
/** While one commit waits for the disk, the next one is prepared. */
const COMMITS_AT_A_TIME = 2;

const UNKNOWN: StoreResult = { stored: false, job: null };

/**
 * Stores each callback for a known job as one row. The relay does the rest after the sender has its answer.
 */
@Injectable()
export class CallbackInbox {
  private readonly commits: Batches<Offered, StoreResult>;

  constructor(
    settings: Settings,
    private readonly callbackJobs: CallbackJobsService,
    private readonly wakeups: Wakeups,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {
    this.commits = new Batches((callbacks) => this.storeBatch(callbacks), {
      size: MAX_PER_COMMIT,
      waiting: settings.WEBHOOK_BACKLOG,
      concurrency: COMMITS_AT_A_TIME,
    });
  }

  /** Callbacks that wait for the next commit. */
  get waiting(): number {
    return this.commits.length;
  }

  /**
   * Stores the callback if its job is known and has this upstream id, or none yet. One statement checks and stores, to
   * save a round trip; callbacks that arrive during a commit share the next one. Throws `unavailable` if more than
   * `WEBHOOK_BACKLOG` wait.
   */
  storeCallback(
    message: CallbackMessage,
    provedBy: InboxEntry['provedBy'],
    clientAddress: string,
  ): Promise<StoreResult> {
    const { gatewayJobId, upstreamId, status } = message;
    const put = (jobId: string | undefined): Promise<StoreResult> => {
      if (jobId === undefined || !isJobId(jobId)) return Promise.resolve(UNKNOWN);
      addToSpan({ 'gateway.job_id': jobId });
      const trace = currentTraceparent() ?? null;
      return this.commits.addItem({ jobId, upstreamId, status, provedBy, clientAddress, trace });
    };
    if (gatewayJobId !== undefined) return put(gatewayJobId);
    return this.callbackJobs.findJob(undefined, upstreamId).then((job) => put(job?.id));
  }

  private async storeBatch(callbacks: readonly Offered[]): Promise<StoreResult[]> {
    const rejected = await preparedRows<UnknownJob>(this.database, STORE_CALLBACKS, [
      callbacks.map(({ jobId }) => jobId),
      callbacks.map(({ upstreamId }) => upstreamId),
      callbacks.map(({ status }) => status),
      callbacks.map(({ provedBy }) => provedBy),
      callbacks.map(({ clientAddress }) => clientAddress),
      callbacks.map(({ trace }) => trace),
    ]);
    if (rejected.length < callbacks.length) this.wakeups.send(CALLBACKS_STORED);
    const receipts = callbacks.map(({ jobId: id, upstreamId }): StoreResult => ({
      stored: true,
      job: { id, upstreamId },
    }));
    for (const { place, jobId, upstreamId } of rejected) {
      receipts[place - 1] =
        jobId === null ? UNKNOWN : { stored: false, job: { id: jobId, upstreamId } };
    }
    return receipts;
  }
}

/** A callback that was not stored. */
interface UnknownJob {
  /** Among those of the statement, from 1. */
  readonly place: number;
  /** `null` where there is no such job. */
  readonly jobId: string | null;
  /** The one that we know. */
  readonly upstreamId: string | null;
}

/**
 * Returns the few callbacks that were not stored. The arrays are in subqueries, which hide their length from PostgreSQL:
 * otherwise it would plan each execution anew.
 */
const STORE_CALLBACKS = {
  name: 'callback-inbox-keep',
  text: `
  WITH offered AS (
    SELECT callback.*, jobs.id AS known_id, jobs.upstream_id AS known_upstream_id
      FROM unnest((SELECT $1::uuid[]), (SELECT $2::text[]), (SELECT $3::text[]), (SELECT $4::text[]),
                  (SELECT $5::text[]), (SELECT $6::text[])) WITH ORDINALITY
             AS callback (job_id, upstream_id, status, proved_by, client_address, trace, place)
      LEFT JOIN jobs ON jobs.id = callback.job_id),
  kept AS (
    INSERT INTO callback_inbox (job_id, upstream_id, status, proved_by, client_address, trace)
    SELECT job_id, upstream_id, status, proved_by, client_address, trace
      FROM offered
     WHERE known_id IS NOT NULL AND (known_upstream_id = upstream_id OR known_upstream_id IS NULL))
  SELECT place::integer, known_id AS "jobId", known_upstream_id AS "upstreamId"
    FROM offered
   WHERE known_id IS NULL OR known_upstream_id <> upstream_id`,
};
