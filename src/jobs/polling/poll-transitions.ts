import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { Batches } from '../../platform/batches.js';
import { classifyDatabaseError } from '../../platform/database/database-errors.js';
import { Transactions } from '../../platform/database/transactions.js';
import { preparedRows } from '../../platform/database/sql.js';
import { Notifications } from '../../platform/work/notifications.js';
import { MAX_POLL_EVENTS } from '../timeline/job-event.entity.js';
import type { WaitReason } from './poll-policy.js';
import { JobCompletionNotifier } from '../api/job-completion.notifier.js';
import { JOB_ENDED } from '../job-ends.js';
import { JobMetrics } from '../persistence/job.metrics.js';
import type { TerminalStatus } from '../job-status.js';
import type { JobError } from '../job-error.js';
import { CANCEL_PENDING, type HeldJob } from '../leases/job-lease.store.js';
import type { LeasedJob } from '../leases/leased-job.js';
import {
  CANCELS_DUE,
  ifLeasedBy,
  JOBS_QUEUED,
  JobTransitionsStore,
  POLLS_DUE,
  SETTLED_BY_TRIGGER,
  UNCERTAIN_DUE,
} from '../persistence/job-transitions.store.js';
import type { NewResult } from '../results/result-fetcher.js';
import { ResultStore } from '../results/result.store.js';
import { JobCompletionStore, type Completion } from './job-completion.store.js';

/** Record of a poll that did not end the job. */
export interface PollRecord {
  readonly seconds: number;
  readonly answer: string;
  /** Why the job is deferred and what the gateway does next, for its service; null on the regular schedule. */
  readonly reason: string | null;
  readonly progress?: number | null;
  /** What the poll found; `searched` for a search of an uncertain submit. */
  readonly found: WaitReason | 'searched';
}

/** Completions that wait while a statement runs share the next one. */
const BATCH_LIMITS = { size: 100, waiting: 10_000, concurrency: 1, gatherMilliseconds: 5 };

/** Writes of a poll, only by the holder of the lease. Each returns whether it happened. */
@Injectable()
export class PollTransitions {
  private readonly batches = new Batches<Completion, boolean>(
    (completions) => this.completeJobs(completions),
    BATCH_LIMITS,
  );

  constructor(
    private readonly transitions: JobTransitionsStore,
    private readonly completions: JobCompletionStore,
    private readonly results: ResultStore,
    private readonly notifications: Notifications,
    private readonly transactions: Transactions,
    private readonly metrics: JobMetrics,
    private readonly completionNotifier: JobCompletionNotifier,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {}

  /** Records a poll without an end, and schedules the next one: at once if a trigger arrived during the poll. */
  async reschedule(job: LeasedJob, record: PollRecord): Promise<boolean> {
    const [rescheduled] = await preparedRows<{ again: boolean; cancel: boolean }>(
      this.database,
      RESCHEDULE,
      [
        job.id,
        job.lease,
        record.seconds,
        record.answer,
        record.reason,
        record.found,
        record.progress !== undefined,
        record.progress ?? null,
      ],
    );
    if (rescheduled?.again === true) {
      this.notifications.send(job.status === 'uncertain' ? UNCERTAIN_DUE : POLLS_DUE);
    }
    if (rescheduled?.cancel === true) this.notifications.send(CANCELS_DUE);
    return rescheduled !== undefined;
  }

  /**
   * Completes the job with `result`, or deletes `result` if the job cannot complete. `isAnswer`: it came with the answer
   * to a synchronous call.
   */
  async completeJob({ id, lease }: HeldJob, result: NewResult, isAnswer = false): Promise<boolean> {
    const completed = await this.batches
      .addItem({ id, lease, ...result, isAnswer })
      .catch(async (error: unknown) => {
        // After any other error the statement may have committed.
        if (classifyDatabaseError(error) === 'data') await this.discard(result);
        throw error;
      });
    if (!completed) await this.discard(result);
    return completed;
  }

  private async completeJobs(completions: readonly Completion[]): Promise<boolean[]> {
    const { jobs, woken } = await this.completions
      .completeJobs(completions)
      .catch((error: unknown) => {
        // They may have ended all the same.
        this.notifications.deliver(
          JOB_ENDED,
          completions.map(({ id }) => id),
        );
        throw error;
      });
    for (const job of jobs.values()) {
      this.completionNotifier.jobCompleted(job);
      this.metrics.recordEnded('completed', job);
    }
    this.notifications.deliver(
      JOB_ENDED,
      [...jobs.values()].map(({ id }) => id),
    );
    if (woken > 0) this.notifications.send(JOBS_QUEUED);
    return completions.map(({ content }) => jobs.has(content.contentId));
  }

  private async discard({ content: { contentId, bytes }, files }: NewResult): Promise<void> {
    const ofFiles = files.map((file) => file.contentId);
    await this.results.discardContents(bytes === null ? [contentId, ...ofFiles] : ofFiles);
  }

  /** Ends the job without a result. */
  async endJob(
    { id, lease }: HeldJob,
    status: Exclude<TerminalStatus, 'completed'>,
    error: JobError,
    fence = ifLeasedBy(lease),
  ): Promise<boolean> {
    const moved = await this.transactions.run((manager) =>
      this.transitions.transition(
        manager,
        id,
        status,
        { error, settledBy: () => SETTLED_BY_TRIGGER },
        null,
        fence,
      ),
    );
    this.metrics.recordEnded(status, moved, error.code);
    return moved !== undefined;
  }
}

const RESCHEDULE = {
  name: 'jobs-reschedule',
  text: `
  WITH rescheduled AS (
    UPDATE jobs
       SET lease = NULL, worker = NULL, polls = polls + 1,
           next_check_at = CASE WHEN poll_requested OR ${CANCEL_PENDING} THEN now()
                                ELSE now() + make_interval(secs => $3) END,
           deferral_reason = $5::text,
           deferred_until = CASE WHEN $5::text IS NOT NULL THEN now() + make_interval(secs => $3) END,
           missing_since = CASE WHEN $6::text = 'missing' THEN coalesce(missing_since, now()) END,
           unusable_since = CASE $6::text WHEN 'unusable' THEN coalesce(unusable_since, now())
                                          WHEN 'unavailable' THEN unusable_since END,
           result_missing_since = CASE $6::text WHEN 'result_missing' THEN coalesce(result_missing_since, now())
                                                WHEN 'unavailable' THEN result_missing_since END,
           progress = CASE WHEN $7 THEN $8::double precision ELSE progress END
     WHERE id = $1 AND lease = $2 AND status IN ('submitted', 'uncertain')
    RETURNING id, polls, poll_requested, ${CANCEL_PENDING} AS cancel),
  event AS (
    INSERT INTO job_events (job_id, type, detail)
    SELECT id, 'polled', jsonb_build_object('answer', $4::text, 'nextPollInSeconds', round($3::numeric))
      FROM rescheduled WHERE polls <= ${MAX_POLL_EVENTS})
  SELECT poll_requested AS again, cancel FROM rescheduled`,
};
