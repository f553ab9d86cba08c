import { Injectable } from '@nestjs/common';
import { classifyDatabaseError } from '../../platform/database/database-errors.js';
import { Transactions } from '../../platform/database/transactions.js';
import { TaskQueue } from '../../tasks/task-queue.js';
import { MAX_POLL_EVENTS } from '../job-event.entity.js';
import { JobMetrics } from '../job.metrics.js';
import type { TerminalStatus } from '../job-status.js';
import type { JobError } from '../job-error.js';
import type { Job } from '../job.entity.js';
import { deferred, ifLeasedBy, JobTransitionsStore } from '../persistence/job-transitions.store.js';
import { ResultStore, type StoredContent } from '../results/result.store.js';

/** Record of a poll that did not end the job. */
export interface PollRecord {
  readonly seconds: number;
  readonly answer: string;
  /** Why the job is deferred and what the gateway does next, for its service; null on the regular schedule. */
  readonly reason: string | null;
  readonly progress?: number | null;
  /** Reducto did not know the job this time. */
  readonly missing: boolean;
  /** The result could not be fetched or the answer was unusable; absent if unknown. */
  readonly resultMissing?: boolean;
}

/** `settledBy` is `webhook` if a callback has arrived, else `reconciler`. */
const SETTLED_BY_TRIGGER = (): string =>
  `CASE WHEN callback_received_at IS NULL THEN 'reconciler' ELSE 'webhook' END`;

/**
 * Writes of a poll, each in one transaction and only by the holder of the lease. Each returns whether it happened.
 */
@Injectable()
export class PollTransitions {
  constructor(
    private readonly transitions: JobTransitionsStore,
    private readonly results: ResultStore,
    private readonly tasks: TaskQueue,
    private readonly transactions: Transactions,
    private readonly metrics: JobMetrics,
  ) {}

  /** Records a poll without an end, and schedules the next one: at once if a callback arrived during the poll. */
  reschedule(job: Job, lease: string, record: PollRecord): Promise<boolean> {
    return this.transactions.run(async (manager) => {
      const changed = await this.transitions.updateJob(
        manager,
        job.id,
        job.status,
        {
          lease: null,
          polling: false,
          polls: () => 'polls + 1',
          ...deferred(record.seconds, record.reason),
          missingSince: record.missing ? () => 'coalesce(missing_since, now())' : null,
          ...(record.resultMissing === undefined
            ? {}
            : {
                resultMissingSince: record.resultMissing
                  ? () => 'coalesce(result_missing_since, now())'
                  : null,
              }),
          ...(record.progress === undefined ? {} : { progress: record.progress }),
        },
        ifLeasedBy(lease),
      );
      if (!changed) return false;
      const detail = { answer: record.answer, nextPollInSeconds: Math.round(record.seconds) };
      if (job.polls < MAX_POLL_EVENTS) {
        await this.transitions.addEvent(manager, job.id, 'polled', detail);
      }
      if ((await this.transitions.readTriggers(manager, job.id)).again) {
        await this.tasks.add(manager, 'poll', [job.id]);
      }
      return true;
    });
  }

  /** Completes the job with `content`, or deletes `content` if the job cannot complete. */
  async completeJob(job: Job, lease: string, content: StoredContent): Promise<boolean> {
    const moved = await this.transactions
      .run(async (manager) => {
        const done = await this.transitions.transition(
          manager,
          job.id,
          'completed',
          { settledBy: SETTLED_BY_TRIGGER, error: null },
          ['completed', { sizeBytes: Number(content.sizeBytes) }],
          ifLeasedBy(lease),
        );
        if (done !== undefined) await this.results.attachContent(manager, job.id, content);
        return done;
      })
      .catch(async (error: unknown) => {
        // After any other error the transaction may have committed.
        if (classifyDatabaseError(error) === 'data')
          await this.results.discardContent(content.contentId);
        throw error;
      });
    this.metrics.recordEnded('completed', moved);
    if (moved === undefined) await this.results.discardContent(content.contentId);
    return moved !== undefined;
  }

  /** Ends the job without a result. */
  async endJob(
    job: Pick<Job, 'id'>,
    lease: string,
    status: Exclude<TerminalStatus, 'completed'>,
    error: JobError,
  ): Promise<boolean> {
    const moved = await this.transactions.run((manager) =>
      this.transitions.transition(
        manager,
        job.id,
        status,
        { error, settledBy: SETTLED_BY_TRIGGER },
        [status, { code: error.code }],
        ifLeasedBy(lease),
      ),
    );
    this.metrics.recordEnded(status, moved, error.code);
    return moved !== undefined;
  }
}
