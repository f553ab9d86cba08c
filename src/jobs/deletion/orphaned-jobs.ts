import { Injectable, Logger } from '@nestjs/common';
import { Notifications } from '../../platform/work/notifications.js';
import { DELETIONS_DUE } from './job-deletion.js';
import { JobDeletionStore, type FoundUpstream } from './job-deletion.store.js';

/** Upstream jobs that no job needs: their jobs have ended without them, or have others. */
@Injectable()
export class OrphanedJobs {
  private readonly logger = new Logger(OrphanedJobs.name);

  constructor(
    private readonly store: JobDeletionStore,
    private readonly notifications: Notifications,
  ) {}

  /** Has the upstream job cancelled and deleted that the gateway made for a job, if that does not need it. */
  discardMade(found: FoundUpstream): Promise<void> {
    return this.queue([found], 'orphan', 'now');
  }

  /**
   * Has the orphans among `found` cancelled and deleted if their jobs are deleted, or once they are. `origin`: `callback` if only
   * a callback asserts that Reducto made them for their jobs.
   */
  async discardFound(
    found: readonly FoundUpstream[],
    origin: 'orphan' | 'callback' = 'orphan',
  ): Promise<void> {
    if (found.length > 0) await this.queue(found, origin, 'once-deleted');
  }

  private async queue(
    found: readonly FoundUpstream[],
    origin: 'orphan' | 'callback',
    when: 'now' | 'once-deleted',
  ): Promise<void> {
    const count = await this.store.queueOrphans(found, origin, when);
    if (count === 0) return;
    this.logger.warn({ msg: 'Reducto has jobs that are not needed; deleting them', count, origin });
    this.notifications.send(DELETIONS_DUE);
  }
}
