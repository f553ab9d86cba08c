import { Injectable } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { Transactions } from '../platform/database/transactions.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { JobFigures } from './job-figures.js';
import type { Job, JobError } from './job.entity.js';
import { atAttempt, inSeconds, JobStore, now, type Fence } from './job.store.js';
import { jittered } from './look-plan.js';

/** Beyond the timeout of its request, an attempt that has not reported back is taken for lost. */
const LOST_AFTER_SECONDS = 15;

/**
 * The steps by which a job gets to Reducto, each as one transaction: the guarded update, its entry
 * in the timeline, and the tasks that follow from it. Each says whether it happened; where it did
 * not, somebody else was faster, and nothing has changed.
 */
@Injectable()
export class SubmitSteps {
  constructor(
    private readonly settings: Settings,
    private readonly store: JobStore,
    private readonly tasks: TaskQueue,
    private readonly transactions: Transactions,
    private readonly figures: JobFigures,
  ) {}

  /** How long an attempt may take until it counts as lost. */
  get attemptSeconds(): number {
    return this.settings.REDUCTO_SUBMIT_TIMEOUT_SECONDS + LOST_AFTER_SECONDS;
  }

  /** Claims the next attempt to submit, before anything is sent. */
  begin(job: Job, attempt: number): Promise<boolean> {
    return this.transactions.run(async (manager) => {
      const begun = await this.store.change(
        manager,
        job.id,
        'queued',
        {
          submitStartedAt: now,
          submitAttempts: attempt,
          nextCheckAt: inSeconds(this.attemptSeconds),
        },
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
  async defer(job: Job, attempt: number, seconds: number, reason?: string): Promise<boolean> {
    const { put, ended } = await this.transactions.run(async (manager) => {
      const changes = { submitStartedAt: null, nextCheckAt: inSeconds(seconds) };
      const put = await this.store.change(manager, job.id, 'queued', changes, atAttempt(attempt));
      if (!put) return { put };
      // After the change, which holds the row: a cancel is either seen here or sees the job unsent.
      const ended = await this.store.endUnsent(manager, job.id, [
        'cancel_requested_at IS NOT NULL',
        {},
      ]);
      if (ended === undefined && reason !== undefined) {
        const detail = { attempt, reason, retryInSeconds: Math.round(seconds) };
        await this.store.addEvent(manager, job.id, 'submit_deferred', detail);
      }
      return { put, ended };
    });
    this.figures.ended('cancelled', ended);
    return put;
  }

  /** Reducto has the job. `via` says how the id became known: the answer, a callback, the listing. */
  async markSubmitted(
    job: Job,
    upstreamId: string,
    via: 'answer' | 'callback' | 'listing',
  ): Promise<boolean> {
    const firstLook = jittered(this.settings.LOOK_SCHEDULE_SECONDS[0] ?? 15);
    const submitted = await this.transactions.run(async (manager) => {
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
          nextCheckAt: () =>
            `CASE WHEN callback_received_at IS NULL THEN ${inSeconds(firstLook)()} ELSE ${inSeconds(5)()} END`,
        },
        ['submitted', { upstreamId, via }],
        // Whichever attempt made it: that Reducto has the job stays true.
        ['true', {}],
      );
      if (moved === undefined) return undefined;
      const hints = await this.store.hints(manager, job.id);
      if (hints.callback) await this.tasks.add(manager, 'settle', [job.id]);
      if (hints.cancel) await this.tasks.add(manager, 'cancel', [job.id]);
      return moved;
    });
    this.figures.submitted(submitted);
    return submitted !== undefined;
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
        atAttempt(attempt),
      );
      if (moved === undefined) return false;
      if ((await this.store.hints(manager, job.id)).callback) {
        await this.tasks.add(manager, 'settle', [job.id]);
      }
      return true;
    });
  }

  /** It is certain that the attempt made nothing: the job may be sent again. */
  requeue(job: Job, fence: Fence): Promise<boolean> {
    return this.transactions.run(async (manager) => {
      const moved = await this.store.move(
        manager,
        job.id,
        'queued',
        { submitStartedAt: null, claimedUpstreamId: null, looks: 0, nextCheckAt: inSeconds(30) },
        ['submit_resolved', { found: false }],
        fence,
      );
      if (moved === undefined) return false;
      await this.tasks.add(manager, 'submit', [job.id]);
      return true;
    });
  }

  /** The job ends without having been made: Reducto refused it, it cannot be sent, or not in time. */
  async refuse(
    job: Job,
    attempt: number,
    status: 'failed' | 'expired',
    error: JobError,
  ): Promise<boolean> {
    const moved = await this.transactions.run((manager) =>
      this.store.move(
        manager,
        job.id,
        status,
        { error, settledBy: 'submission' },
        [status, { code: error.code }],
        [`status IN ('queued', 'uncertain') AND submit_attempts = :attempt`, { attempt }],
      ),
    );
    this.figures.ended(status, moved, error.code);
    return moved !== undefined;
  }
}
