import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { actionEntry, type Actor } from '../../audit/audit-entry.js';
import { AuditLog } from '../../audit/audit-log.js';
import { Notifications } from '../../platform/work/notifications.js';
import { DELETIONS_DUE } from '../job-ends.js';
import { isTerminal } from '../job-status.js';
import type { Job } from '../job.entity.js';
import { JobDeletionStore } from './job-deletion.store.js';

/** The action in the audit: its outcome is what became of an upstream job. */
export const DELETE_ACTION = 'job.delete';

export { DELETIONS_DUE };

/** Deletes jobs for their services: what the gateway stores at once, and at Reducto as due work. */
@Injectable()
export class JobDeletion {
  constructor(
    private readonly store: JobDeletionStore,
    private readonly audit: AuditLog,
    private readonly notifications: Notifications,
  ) {}

  /** In one transaction with its audit entry. Throws `job_not_completed` if the job has not ended. */
  async deleteJob({ id, status }: Job, includePersisted: boolean, actor: Actor): Promise<void> {
    if (!isTerminal(status)) {
      throw new GatewayError('job_not_completed', `The job is ${status}. Cancel it first.`);
    }
    await this.audit.transact(async (manager, append) => {
      const upstreamIds = await this.store.deleteJob(manager, id, includePersisted);
      if (upstreamIds === undefined) return;
      const detail = { jobId: id, includePersisted, upstreamIds };
      const state = upstreamIds.length === 0 ? 'done' : 'started';
      const entry = actionEntry({ actor, action: DELETE_ACTION, state, detail });
      const [appended] = await append([{ entry }]);
      if (appended !== undefined)
        await this.store.recordRequest(manager, id, { actor, intent: appended.id });
    });
    this.notifications.send(DELETIONS_DUE);
  }

  eraseWebhooks(manager: EntityManager, ids: readonly string[]): Promise<void> {
    return this.store.eraseWebhooks(manager, ids);
  }
}

/** Throws `job_deletion_in_progress` or `job_deleted` if its service has deleted the job. */
export function checkNotDeleted({ deletionRequestedAt, deletedAt }: Job): void {
  if (deletionRequestedAt === null) return;
  const when = deletionRequestedAt.toISOString();
  if (deletedAt === null) {
    throw new GatewayError(
      'job_deletion_in_progress',
      `Its service deleted it on ${when}; Reducto has not deleted it yet.`,
    );
  }
  throw new GatewayError('job_deleted', `Its service deleted it on ${when}.`);
}
