import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows } from '../../platform/database/sql.js';
import { Transactions } from '../../platform/database/transactions.js';
import { currentTraceparent } from '../../platform/tracing/spans.js';
import { Notifications } from '../../platform/work/notifications.js';
import type { Job } from '../job.entity.js';
import { JobMetrics } from '../persistence/job.metrics.js';
import type { HeldJob } from '../leases/job-lease.store.js';
import { CANCELS_DUE, JobTransitionsStore } from '../persistence/job-transitions.store.js';

/** How Reducto answered a cancel; `status`: of the refusal. */
export type CancelOutcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly status: number | undefined }
  | { readonly kind: 'not_sent' };

/** Writes of a cancel, each in one transaction. */
@Injectable()
export class JobCancellation {
  constructor(
    private readonly transitions: JobTransitionsStore,
    private readonly notifications: Notifications,
    private readonly transactions: Transactions,
    private readonly metrics: JobMetrics,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {}

  /**
   * Requests the cancel. A job that was not sent ends at once; otherwise Reducto is asked to cancel, and its
   * answer decides how the job ends.
   */
  async requestCancel(job: Pick<Job, 'id'>): Promise<void> {
    const ended = await this.transactions.run(async (manager) => {
      const trace = currentTraceparent() ?? null;
      if (!(await this.transitions.requestCancel(manager, job.id, trace))) return undefined;
      await this.transitions.addEvent(manager, job.id, 'cancel_requested');
      return this.transitions.cancelUnsent(manager, job.id, ['submit_started_at IS NULL', {}]);
    });
    this.metrics.recordEnded('cancelled', ended, 'cancelled');
    if (ended === undefined) this.notifications.send(CANCELS_DUE);
  }

  /**
   * Records that Reducto was asked to cancel, and makes the job due for a poll, which shows how it ends and repeats the
   * cancel while it is open.
   */
  async recordCancelSent({ id, lease }: HeldJob, outcome: CancelOutcome): Promise<void> {
    const seconds = outcome.kind === 'refused' ? 0 : FIRST_POLL_SECONDS;
    const detail = outcome.kind === 'refused' ? { refusedWith: outcome.status } : {};
    await preparedRows(this.database, RECORD_CANCEL_SENT, [
      id,
      lease,
      seconds,
      outcome.kind !== 'not_sent',
      JSON.stringify(detail),
    ]);
  }
}

/** Reducto needs a moment to end a job. */
const FIRST_POLL_SECONDS = 1;

const RECORD_CANCEL_SENT = {
  name: 'jobs-record-cancel-sent',
  text: `
  WITH recorded AS (
    UPDATE jobs
       SET lease = NULL, worker = NULL, cancel_sent_at = now(), poll_requested = true,
           next_check_at = now() + make_interval(secs => $3)
     WHERE id = $1 AND lease = $2 AND status = 'submitted'
    RETURNING id)
  INSERT INTO job_events (job_id, type, detail)
  SELECT id, 'cancel_sent', $5::jsonb FROM recorded WHERE $4
  RETURNING job_id`,
};
