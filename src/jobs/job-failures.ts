import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { classifyDatabaseError, sqlStateOf } from '../platform/database/database-errors.js';
import { JobClaimsStore } from './job-claims.store.js';
import { gaveUp, UPSTREAM_UNUSABLE, type JobError } from './job-error.js';
import { JobReads } from './job-reads.store.js';
import { jittered, lookLimits, nextLook, type LookLimits } from './look-plan.js';
import { SettleSteps } from './settle-steps.js';

/**
 * Decides what becomes of a job whose handler threw, so that no error keeps a job open for ever: it ends at once
 * where PostgreSQL refuses the data, else it is polled on the usual schedule, and expires at the maximum age.
 */
@Injectable()
export class JobFailures {
  private readonly logger = new Logger(JobFailures.name);
  private readonly limits: LookLimits;

  constructor(
    settings: Settings,
    private readonly claims: JobClaimsStore,
    private readonly reads: JobReads,
    private readonly steps: SettleSteps,
  ) {
    this.limits = lookLimits(settings);
  }

  /** Call it as the holder of `claim`. Throws `error` again where the database may work soon. */
  async handle(id: string, claim: string, error: unknown): Promise<void> {
    const kind = classifyDatabaseError(error);
    if (['unavailable', 'read_only', 'conflict'].includes(kind)) {
      // Without this the job would wait for the end of the lease.
      await this.claims.release(id, claim, 1).catch(() => undefined);
      throw error;
    }
    // The message of PostgreSQL may quote the data.
    const why = kind === 'data' ? { sqlState: sqlStateOf(error) } : { err: error };
    this.logger.error({ msg: 'a job could not be processed', jobId: id, ...why });
    const open = await this.reads.findOpen(id);
    if (open === undefined || open.job.claim !== claim) return;
    const ageSeconds = open.ages.created;
    if (kind === 'data' && (await this.end(id, claim, 'failed', UPSTREAM_UNUSABLE))) return;
    const { maxAgeSeconds } = this.limits;
    if (ageSeconds >= maxAgeSeconds) {
      if (await this.end(id, claim, 'expired', gaveUp(maxAgeSeconds))) return;
    }
    const polls = { looks: open.job.looks + 1, ageSeconds };
    const plan = { ...polls, sinceCallbackSeconds: null, sinceCancelSeconds: null };
    await this.claims.releaseFailed(id, claim, jittered(nextLook(plan, this.limits)));
  }

  private async end(
    id: string,
    claim: string,
    status: 'failed' | 'expired',
    error: JobError,
  ): Promise<boolean> {
    try {
      const ended = await this.steps.end({ id }, claim, status, error);
      if (ended && status === 'expired') {
        this.logger.error({ msg: 'job expired', jobId: id, code: error.code });
      }
      return true;
    } catch (thrown) {
      if (classifyDatabaseError(thrown) !== 'data') throw thrown;
      return false;
    }
  }
}
