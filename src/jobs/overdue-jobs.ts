import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { classifyDatabaseError } from '../platform/database/database-errors.js';
import { Transactions } from '../platform/database/transactions.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { JobClaimsStore, type Due, type DueJob } from './job-claims.store.js';
import { JobReads } from './job-reads.store.js';
import { gaveUp } from './job-error.js';
import { JobFailures } from './job-failures.js';
import { jittered, lookLimits, nextLook, type LookLimits } from './look-plan.js';
import { SettleSteps } from './settle-steps.js';
import { UncertainSubmits } from './uncertain-submits.js';

export type { DueJob } from './job-claims.store.js';

/** How long a pass may not be heard of until its jobs count as not taken up. */
const PASS_LEASE_SECONDS = 30;
/** How long a task may wait for its turn until its job is due again. */
const TASK_LEASE_SECONDS = 60;

/** The door of the jobs for the reconciler: what it may do with the jobs that are due. */
@Injectable()
export class OverdueJobs {
  private readonly logger = new Logger(OverdueJobs.name);
  private readonly limits: LookLimits;

  constructor(
    private readonly settings: Settings,
    private readonly claims: JobClaimsStore,
    private readonly reads: JobReads,
    private readonly steps: SettleSteps,
    private readonly uncertain: UncertainSubmits,
    private readonly failures: JobFailures,
    private readonly tasks: TaskQueue,
    private readonly transactions: Transactions,
  ) {
    this.limits = lookLimits(settings);
  }

  /** Claims jobs that are due, those apart that are not sent yet: the submits take them up. While Reducto is in trouble, only those that do not need it. */
  claim(claim: string, upstreamHeld: boolean): Promise<DueJob[]> {
    const due: Due = upstreamHeld ? { tooOldSeconds: this.limits.maxAgeSeconds } : 'all';
    const { RECONCILE_BATCH_SIZE: limit } = this.settings;
    return this.transactions.run((manager) =>
      this.claims.takeDue(manager, claim, limit, due, PASS_LEASE_SECONDS),
    );
  }

  /** A pass is still at it. */
  renew(claim: string): Promise<void> {
    return this.transactions.run((manager) =>
      this.claims.extend(manager, claim, PASS_LEASE_SECONDS),
    );
  }

  /** A pass has broken off: what it had claimed and not dealt with is due again at once. */
  letGo(claim: string): Promise<void> {
    return this.transactions.run((manager) => this.claims.extend(manager, claim, 0));
  }

  /** Puts in a task for each of `ids` that looks at it. */
  wake(claim: string, ids: readonly string[]): Promise<void> {
    const drainSeconds = ids.length / this.settings.REDUCTO_LOOKS_PER_SECOND;
    return this.transactions.run(async (manager) => {
      const seconds = TASK_LEASE_SECONDS + drainSeconds;
      const given = await this.claims.handOver(manager, claim, ids, seconds);
      await this.tasks.add(manager, 'settle', given);
    });
  }

  /** Finds out what became of the submits of `ids`. */
  resolve(claim: string, ids: readonly string[]): Promise<void> {
    return this.uncertain.resolveAll(claim, ids);
  }

  /** The listing has shown that `jobs` are still open: puts off the look at each. Returns how many. */
  async stillOpen(claim: string, jobs: readonly DueJob[]): Promise<number> {
    try {
      return await this.putOff(claim, jobs);
    } catch (error) {
      if (classifyDatabaseError(error) !== 'data') throw error;
      const [job] = jobs;
      if (job !== undefined && jobs.length === 1) {
        await this.failures.handle(job.id, claim, error);
        return 0;
      }
      // One that PostgreSQL refuses must not keep the others from being put off.
      let count = 0;
      for (const one of jobs) count += await this.stillOpen(claim, [one]);
      return count;
    }
  }

  private putOff(claim: string, jobs: readonly DueJob[]): Promise<number> {
    const waits = jobs.map((job) => jittered(nextLook(asWaiting(job), this.limits)));
    const ids = jobs.map(({ id }) => id);
    return this.transactions.run((manager) => this.claims.putOff(manager, claim, ids, waits));
  }

  /** Ends jobs whose time is over while Reducto cannot be asked. */
  async giveUp(claim: string, ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      try {
        const error = gaveUp(this.limits.maxAgeSeconds);
        if (await this.steps.end({ id }, claim, 'expired', error)) {
          this.logger.error({ msg: 'job expired', jobId: id, code: error.code });
        }
      } catch (error) {
        await this.failures.handle(id, claim, error);
      }
    }
  }

  /** How many of these the gateway has seen end a while ago: a listing that calls them open is not to be believed. */
  endedAmong(upstreamIds: readonly string[]): Promise<number> {
    return this.reads.countEndedLongAgo(upstreamIds);
  }
}

function asWaiting(job: DueJob): Parameters<typeof nextLook>[0] {
  return {
    looks: job.looks + 1,
    ageSeconds: job.ageSeconds,
    sinceCallbackSeconds: null,
    sinceCancelSeconds: null,
  };
}
