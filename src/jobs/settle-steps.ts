import { Injectable } from '@nestjs/common';
import { classifyDatabaseError } from '../platform/database/database-errors.js';
import { Transactions } from '../platform/database/transactions.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { MAX_LOOK_EVENTS } from './job-event.entity.js';
import { JobFigures } from './job-figures.js';
import type { TerminalStatus } from './job-status.js';
import type { JobError } from './job-error.js';
import type { Job } from './job.entity.js';
import { deferred, heldBy, JobStore } from './job.store.js';
import { ResultStore, type StoredContent } from './result.store.js';

/** What a look that ended nothing leaves behind. */
export interface LookNote {
  readonly seconds: number;
  readonly answer: string;
  /** Why the job waits and what the gateway does next, for its service; null where it is just not finished. */
  readonly reason: string | null;
  readonly progress?: number | null;
  /** Reducto did not know the job this time. */
  readonly missing: boolean;
  /** The result could not be fetched, or the answer not be used; absent where nothing is known of it. */
  readonly resultMissing?: boolean;
}

/** Whoever gave the hint gets the credit: the callback if one has come, else the reconciler. */
const SETTLED_BY_HINT = (): string =>
  `CASE WHEN callback_received_at IS NULL THEN 'reconciler' ELSE 'webhook' END`;

/**
 * What a look at a job may write, each as one transaction and only for the holder of `claim`: a
 * process that was paused while somebody else took over changes nothing. Each says whether it happened.
 */
@Injectable()
export class SettleSteps {
  constructor(
    private readonly store: JobStore,
    private readonly results: ResultStore,
    private readonly tasks: TaskQueue,
    private readonly transactions: Transactions,
    private readonly figures: JobFigures,
  ) {}

  /**
   * Nothing final yet: remembers what was seen, and when to look again. That is at once where a
   * callback has come while the look was under way.
   */
  putOff(job: Job, claim: string, note: LookNote): Promise<boolean> {
    return this.transactions.run(async (manager) => {
      const changed = await this.store.change(
        manager,
        job.id,
        job.status,
        {
          claim: null,
          looking: false,
          looks: () => 'looks + 1',
          ...deferred(note.seconds, note.reason),
          missingSince: note.missing ? () => 'coalesce(missing_since, now())' : null,
          ...(note.resultMissing === undefined
            ? {}
            : {
                resultMissingSince: note.resultMissing
                  ? () => 'coalesce(result_missing_since, now())'
                  : null,
              }),
          ...(note.progress === undefined ? {} : { progress: note.progress }),
        },
        heldBy(claim),
      );
      if (!changed) return false;
      const detail = { answer: note.answer, nextLookInSeconds: Math.round(note.seconds) };
      if (job.looks < MAX_LOOK_EVENTS) {
        await this.store.addEvent(manager, job.id, 'looked', detail);
      }
      if ((await this.store.hints(manager, job.id)).again) {
        await this.tasks.add(manager, 'settle', [job.id]);
      }
      return true;
    });
  }

  /** Completes the job with `content`; removes `content` where that may not be. */
  async complete(job: Job, claim: string, content: StoredContent): Promise<boolean> {
    const moved = await this.transactions
      .run(async (manager) => {
        const done = await this.store.move(
          manager,
          job.id,
          'completed',
          { settledBy: SETTLED_BY_HINT, error: null },
          ['completed', { sizeBytes: Number(content.sizeBytes) }],
          heldBy(claim),
        );
        if (done !== undefined) await this.results.attach(manager, job.id, content);
        return done;
      })
      .catch(async (error: unknown) => {
        // Any other error may hide that the job did complete with it.
        if (classifyDatabaseError(error) === 'data') await this.results.discard(content.contentId);
        throw error;
      });
    this.figures.ended('completed', moved);
    if (moved === undefined) await this.results.discard(content.contentId);
    return moved !== undefined;
  }

  /** Ends the job without a result. */
  async end(
    job: Pick<Job, 'id'>,
    claim: string,
    status: Exclude<TerminalStatus, 'completed'>,
    error: JobError,
  ): Promise<boolean> {
    const moved = await this.transactions.run((manager) =>
      this.store.move(
        manager,
        job.id,
        status,
        { error, settledBy: SETTLED_BY_HINT },
        [status, { code: error.code }],
        heldBy(claim),
      ),
    );
    this.figures.ended(status, moved, error.code);
    return moved !== undefined;
  }
}
