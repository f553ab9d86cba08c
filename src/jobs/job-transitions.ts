import { Injectable } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { Transactions } from '../platform/database/transactions.js';
import { TaskQueue } from '../tasks/task-queue.js';
import type { TerminalStatus } from './job-status.js';
import type { Job, JobError, SettledBy } from './job.entity.js';
import { inSeconds, JobStore, now } from './job.store.js';
import { ResultStore, type StoredContent } from './result.store.js';

/** Beyond the timeout of its request, an attempt that has not reported back is taken for lost. */
const LOST_AFTER_SECONDS = 15;

/** What a look that ended nothing leaves behind. */
export interface LookNote {
  readonly seconds: number;
  readonly answer: string;
  readonly progress?: number | null;
  /** Reducto did not know the job this time. */
  readonly missing: boolean;
  /** Reducto said "completed", and the result could not be had. */
  readonly resultMissing: boolean;
}

/**
 * Every step that a job can take, each as one transaction: the guarded update, its entry in the
 * timeline, and the tasks that follow from it. Each says whether it happened; where it did not,
 * somebody else was faster, and nothing has changed.
 */
@Injectable()
export class JobTransitions {
  constructor(
    private readonly settings: Settings,
    private readonly store: JobStore,
    private readonly results: ResultStore,
    private readonly tasks: TaskQueue,
    private readonly transactions: Transactions,
  ) {}

  /** Claims the next attempt to submit, before anything is sent. */
  beginSubmit(job: Job, attempt: number): Promise<boolean> {
    const lease = this.settings.REDUCTO_SUBMIT_TIMEOUT_SECONDS + LOST_AFTER_SECONDS;
    return this.transactions.run(async (manager) => {
      const begun = await this.store.change(
        manager,
        job.id,
        'queued',
        { submitStartedAt: now, submitAttempts: attempt, nextCheckAt: inSeconds(lease) },
        [
          'submit_started_at IS NULL AND cancel_requested_at IS NULL AND submit_attempts = :before',
          { before: attempt - 1 },
        ],
      );
      if (begun) await this.store.addEvent(manager, job.id, 'submit_started', { attempt });
      return begun;
    });
  }

  /** Puts off a submit of which it is known that nothing was made. One that was to be cancelled ends here. */
  deferSubmit(job: Job, attempt: number, seconds: number, reason?: string): Promise<boolean> {
    return this.transactions.run(async (manager) => {
      const wasToEnd = await this.store.move(
        manager,
        job.id,
        'cancelled',
        { settledBy: 'cancellation' },
        ['cancelled'],
        [
          `status = 'queued' AND cancel_requested_at IS NOT NULL AND submit_attempts = :attempt`,
          { attempt },
        ],
      );
      if (wasToEnd) return true;
      const changes = { submitStartedAt: null, nextCheckAt: inSeconds(seconds) };
      const put = await this.store.change(manager, job.id, 'queued', changes, [
        'submit_attempts = :attempt',
        { attempt },
      ]);
      if (put && reason !== undefined) {
        const detail = { attempt, reason, retryInSeconds: Math.round(seconds) };
        await this.store.addEvent(manager, job.id, 'submit_deferred', detail);
      }
      return put;
    });
  }

  /** Reducto has the job. `via` says how the id became known: the answer, a callback, the listing. */
  markSubmitted(
    job: Job,
    upstreamId: string,
    via: 'answer' | 'callback' | 'listing',
  ): Promise<boolean> {
    return this.transactions.run(async (manager) => {
      const moved = await this.store.move(
        manager,
        job.id,
        'submitted',
        {
          upstreamId,
          upstreamUrl: this.settings.REDUCTO_BASE_URL.origin,
          submittedAt: now,
          submitStartedAt: null,
          looks: 0,
          nextCheckAt: inSeconds(this.settings.LOOK_SCHEDULE_SECONDS[0] ?? 15),
        },
        ['submitted', { upstreamId, via }],
      );
      if (!moved) return false;
      const hints = await this.store.hints(manager, job.id);
      if (hints.callback) await this.tasks.add(manager, 'settle', [job.id]);
      if (hints.cancel) await this.tasks.add(manager, 'cancel', [job.id]);
      return true;
    });
  }

  /** It was sent, and nobody knows whether it arrived. */
  markUncertain(job: Job, attempt: number, reason: string): Promise<boolean> {
    const nextCheckAt = inSeconds(this.settings.UNCERTAIN_SCHEDULE_SECONDS[0] ?? 5);
    return this.transactions.run(async (manager) => {
      const moved = await this.store.move(
        manager,
        job.id,
        'uncertain',
        { looks: 0, nextCheckAt },
        ['submit_uncertain', { attempt, reason }],
        ['submit_attempts = :attempt', { attempt }],
      );
      if (moved && (await this.store.hints(manager, job.id)).callback) {
        await this.tasks.add(manager, 'settle', [job.id]);
      }
      return moved;
    });
  }

  /** It is certain that the attempt made nothing: the job may be sent again. */
  requeue(job: Job): Promise<boolean> {
    return this.transactions.run(async (manager) => {
      const moved = await this.store.move(
        manager,
        job.id,
        'queued',
        { submitStartedAt: null, claimedUpstreamId: null, looks: 0, nextCheckAt: inSeconds(30) },
        ['submit_resolved', { found: false }],
        ['submit_attempts = :attempt', { attempt: job.submitAttempts }],
      );
      if (moved) await this.tasks.add(manager, 'submit', [job.id]);
      return moved;
    });
  }

  /** Nothing final yet: remembers what was seen, and when to look again. */
  putOffLook(job: Job, note: LookNote): Promise<boolean> {
    return this.transactions.run(async (manager) => {
      const changed = await this.store.change(manager, job.id, job.status, {
        looks: () => 'looks + 1',
        nextCheckAt: inSeconds(note.seconds),
        missingSince: note.missing ? () => 'coalesce(missing_since, now())' : null,
        resultMissingSince: note.resultMissing
          ? () => 'coalesce(result_missing_since, now())'
          : null,
        ...(note.progress === undefined ? {} : { progress: note.progress }),
      });
      if (changed) {
        const detail = { answer: note.answer, nextLookInSeconds: Math.round(note.seconds) };
        await this.store.addEvent(manager, job.id, 'looked', detail);
      }
      return changed;
    });
  }

  /** Completes the job with `content`; removes `content` where the job has ended in another way. */
  async complete(job: Job, content: StoredContent): Promise<boolean> {
    const moved = await this.transactions.run(async (manager) => {
      const done = await this.store.move(
        manager,
        job.id,
        'completed',
        { settledBy: SETTLED_BY_HINT, error: null },
        ['completed', { sizeBytes: Number(content.sizeBytes) }],
      );
      if (done) await this.results.attach(manager, job.id, content);
      return done;
    });
    if (!moved) await this.results.discard(content.contentId);
    return moved;
  }

  end(
    job: Job,
    status: Exclude<TerminalStatus, 'completed'>,
    error: JobError | null,
    settledBy?: SettledBy,
  ): Promise<boolean> {
    return this.transactions.run((manager) =>
      this.store.move(manager, job.id, status, { error, settledBy: settledBy ?? SETTLED_BY_HINT }, [
        status,
        error === null ? {} : { code: error.code },
      ]),
    );
  }

  /**
   * Notes the wish to cancel. A job that was not sent yet ends here and now; else Reducto is told,
   * and how the job ends is for Reducto to say.
   */
  requestCancel(job: Job): Promise<void> {
    return this.transactions.run(async (manager) => {
      if (!(await this.store.requestCancel(manager, job.id))) return;
      await this.store.addEvent(manager, job.id, 'cancel_requested');
      const ended = await this.store.move(
        manager,
        job.id,
        'cancelled',
        { settledBy: 'cancellation' },
        ['cancelled'],
        [`status = 'queued' AND submit_started_at IS NULL`, {}],
      );
      if (!ended) await this.tasks.add(manager, 'cancel', [job.id]);
    });
  }

  /** Reducto has been told to cancel: its answer is looked for soon. */
  cancelSent(job: Job): Promise<void> {
    return this.transactions.run(async (manager) => {
      const changes = { nextCheckAt: inSeconds(1) };
      if (await this.store.change(manager, job.id, 'submitted', changes)) {
        await this.store.addEvent(manager, job.id, 'cancel_sent');
      }
    });
  }
}

/** Whoever gave the hint gets the credit: the callback if one has come, else the reconciler. */
const SETTLED_BY_HINT = (): string =>
  `CASE WHEN callback_received_at IS NULL THEN 'reconciler' ELSE 'webhook' END`;
