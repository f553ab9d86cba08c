import { Injectable } from '@nestjs/common';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { Notifications } from '../../platform/work/notifications.js';
import { isTerminal } from '../job-status.js';
import type { Job } from '../job.entity.js';
import { JobDeletionStore } from './job-deletion.store.js';

/** Topic: Reducto has jobs to delete. */
export const DELETIONS_DUE = 'deletions_due';

/** Deletes jobs for their services: what the gateway stores at once, and at Reducto as due work. */
@Injectable()
export class JobDeletion {
  constructor(
    private readonly store: JobDeletionStore,
    private readonly notifications: Notifications,
  ) {}

  /** Throws `job_not_completed` if the job has not ended. */
  async deleteJob({ id, status }: Job, includePersisted: boolean): Promise<void> {
    if (!isTerminal(status)) {
      throw new GatewayError('job_not_completed', `The job is ${status}. Cancel it first.`);
    }
    await this.store.deleteJob(id, includePersisted);
    this.notifications.send(DELETIONS_DUE);
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
