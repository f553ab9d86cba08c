import { randomUUID } from 'node:crypto';
import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { JobRetentionService } from '../jobs/job-retention.service.js';
import { Settings } from '../platform/config/settings.js';
import { Transactions } from '../platform/database/transactions.js';
import { DeletedRows, type DeletedKind } from '../platform/metrics/removed-rows.js';
import { IntervalScheduler } from '../platform/schedule/interval-scheduler.js';
import { inSteps } from '../platform/schedule/steps.js';
import { CallbackRetention } from '../webhooks/callback-retention.js';
import { RetentionLeaseStore, type RetentionLease } from './retention-lease.store.js';

/**
 * How much one step takes, so that it lasts some hundredths of a second and what it writes is small. Chunks
 * have a quarter of a megabyte each.
 */
const STEP = {
  results: 200,
  jobs: 200,
  callbacks: 500,
  chunks: 64,
  contents: 500,
  uploads: 500,
} as const;

/** How much a pass has removed. */
export interface DeletedCounts {
  readonly results: number;
  readonly jobs: number;
  readonly callbacks: number;
  readonly chunks: number;
  readonly uploads: number;
}

/** One step; returns how much of its size it did. */
type Step = (manager: EntityManager, retentionLease: RetentionLease) => Promise<number>;

/** Deletes jobs, results, and callbacks past their retention, in small transactions. */
@Injectable()
export class RetentionService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(RetentionService.name);
  private readonly holder = randomUUID();
  private readonly stop = new AbortController();

  constructor(
    private readonly settings: Settings,
    private readonly scheduler: IntervalScheduler,
    private readonly transactions: Transactions,
    private readonly turns: RetentionLeaseStore,
    private readonly jobs: JobRetentionService,
    private readonly callbacks: CallbackRetention,
    private readonly removed: DeletedRows,
  ) {}

  onApplicationBootstrap(): void {
    const { RETENTION_INTERVAL_SECONDS: seconds } = this.settings;
    this.scheduler.every(seconds, 'retention', () => this.sweep());
  }

  /** Before the duties are waited for: the step that runs is the last one. */
  onModuleDestroy(): void {
    this.stop.abort();
  }

  /** One pass, until nothing is too old or another process has the turn; returns what went. */
  async sweep(): Promise<DeletedCounts> {
    const {
      RESULT_RETENTION_DAYS: resultDays,
      JOB_RETENTION_DAYS: jobDays,
      CALLBACK_RETENTION_DAYS: callbackDays,
      UPLOAD_RETENTION_HOURS: uploadHours,
    } = this.settings;
    const results = await this.removeOlder(resultDays, 'result', STEP.results, (manager) =>
      this.jobs.expireResults(manager, resultDays, STEP.results),
    );
    // Without an age of their own they become as old as jobs.
    const mostDays = callbackDays === 0 ? jobDays : callbackDays;
    const callbacks = await this.removeOlder(mostDays, 'callback', STEP.callbacks, (manager) =>
      this.callbacks.deleteCallbacks(manager, mostDays, STEP.callbacks),
    );
    const jobs = await this.removeOlder(jobDays, 'job', STEP.jobs, (manager) =>
      this.jobs.deleteJobs(manager, jobDays, STEP.jobs),
    );
    await this.inSteps(STEP.contents, (manager, turn) => this.searchLost(manager, turn));
    const chunks = await this.remove('result_chunk', STEP.chunks, (manager) =>
      this.jobs.deleteChunks(manager, STEP.chunks),
    );
    const uploads = await this.removeOlder(uploadHours, 'upload', STEP.uploads, (manager) =>
      this.jobs.deleteUploads(manager, uploadHours, STEP.uploads),
    );

    const removals = { results, jobs, callbacks, chunks, uploads };
    if (Object.values(removals).some((count) => count > 0)) {
      this.logger.log({ msg: 'removed what was too old', ...removals });
    }
    return removals;
  }

  private removeOlder(age: number, kind: DeletedKind, size: number, step: Step): Promise<number> {
    return age === 0 ? Promise.resolve(0) : this.remove(kind, size, step);
  }

  private remove(kind: DeletedKind, size: number, step: Step): Promise<number> {
    return this.inSteps(size, step, (count) => this.removed.add(kind, count));
  }

  private async searchLost(
    manager: EntityManager,
    retentionLease: RetentionLease,
  ): Promise<number> {
    const { searchedUpTo, now } = retentionLease;
    const { count, upTo } = await this.jobs.deleteOrphans(
      manager,
      searchedUpTo,
      now,
      STEP.contents,
    );
    if (upTo !== undefined) await this.turns.recordSearched(manager, upTo);
    return count;
  }

  /** Ends where another process has the turn. `onDone` hears of each step that was committed. */
  private inSteps(size: number, step: Step, onDone?: (count: number) => void): Promise<number> {
    return inSteps(size, this.stop.signal, async () => {
      const count = await this.transactions.run(async (manager) => {
        const turn = await this.turns.acquireLease(manager, this.holder);
        return turn === undefined ? 0 : step(manager, turn);
      });
      onDone?.(count);
      return count;
    });
  }
}
