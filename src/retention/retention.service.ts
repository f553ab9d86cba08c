import { randomUUID } from 'node:crypto';
import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventRetention } from '../deliveries/event-retention.js';
import { JobRetentionService } from '../jobs/job-retention.service.js';
import { Settings } from '../platform/config/settings.js';
import { Transactions } from '../platform/database/transactions.js';
import { DeletedRows, type DeletedKind } from '../platform/metrics/removed-rows.js';
import { IntervalScheduler } from '../platform/schedule/interval-scheduler.js';
import { inSteps } from '../platform/schedule/steps.js';
import { CallbackRetention } from '../webhooks/callback-retention.js';
import { RetentionLeaseStore, type RetentionLease } from './retention-lease.store.js';

/** Rows per batch, which keep transactions short. A chunk has 256 KiB. */
const BATCH = {
  results: 200,
  jobs: 200,
  callbacks: 500,
  chunks: 64,
  contents: 500,
  uploads: 500,
  calls: 500,
  events: 500,
  endpoints: 50,
} as const;

/** Deleted rows of a sweep. */
export interface DeletedCounts {
  readonly results: number;
  readonly jobs: number;
  readonly callbacks: number;
  readonly chunks: number;
  readonly uploads: number;
  readonly events: number;
  /** Those of direct webhooks. */
  readonly endpoints: number;
}

/** Deletes one batch; returns its number of rows. */
type Step = (manager: EntityManager, retentionLease: RetentionLease) => Promise<number>;

/** Deletes what is past its retention, in small transactions. */
@Injectable()
export class RetentionService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(RetentionService.name);
  private readonly holder = randomUUID();
  private readonly stop = new AbortController();

  constructor(
    private readonly settings: Settings,
    private readonly scheduler: IntervalScheduler,
    private readonly transactions: Transactions,
    private readonly leases: RetentionLeaseStore,
    private readonly jobs: JobRetentionService,
    private readonly callbacks: CallbackRetention,
    private readonly events: EventRetention,
    private readonly deletedRows: DeletedRows,
  ) {}

  onApplicationBootstrap(): void {
    const { RETENTION_INTERVAL_SECONDS: seconds } = this.settings;
    this.scheduler.every(seconds, 'retention', () => this.sweep());
  }

  /** Runs before shutdown waits for scheduled tasks: the current batch is the last one. */
  onModuleDestroy(): void {
    this.stop.abort();
  }

  /** Deletes batches until nothing is expired or another process holds the lease. */
  async sweep(): Promise<DeletedCounts> {
    const {
      RESULT_RETENTION_DAYS: resultDays,
      JOB_RETENTION_DAYS: jobDays,
      CALLBACK_RETENTION_DAYS: callbackDays,
      UPLOAD_RETENTION_HOURS: uploadHours,
      EVENT_RETENTION_DAYS: eventDays,
    } = this.settings;
    const results = await this.removeOlder(resultDays, 'result', BATCH.results, (manager) =>
      this.jobs.expireResults(manager, resultDays, BATCH.results),
    );
    // Without their own retention, callbacks are retained as long as jobs.
    const retainedDays = callbackDays === 0 ? jobDays : callbackDays;
    const callbacks = await this.removeOlder(retainedDays, 'callback', BATCH.callbacks, (manager) =>
      this.callbacks.deleteCallbacks(manager, retainedDays, BATCH.callbacks),
    );
    const jobs = await this.removeOlder(jobDays, 'job', BATCH.jobs, (manager) =>
      this.jobs.deleteJobs(manager, jobDays, BATCH.jobs),
    );
    await this.inSteps(BATCH.contents, (manager, lease) => this.searchOrphans(manager, lease));
    const chunks = await this.remove('result_chunk', BATCH.chunks, (manager) =>
      this.jobs.deleteChunks(manager, BATCH.chunks),
    );
    const uploads = await this.removeOlder(uploadHours, 'upload', BATCH.uploads, (manager) =>
      this.jobs.deleteUploads(manager, uploadHours, BATCH.uploads),
    );
    const events = await this.remove('event', BATCH.events, (manager, { now }) =>
      this.events.deleteEvents(manager, eventDays, now, BATCH.events),
    );
    const endpoints = await this.remove('endpoint', BATCH.endpoints, (manager, { now }) =>
      this.events.deleteOrigins(manager, eventDays, now, BATCH.endpoints),
    );
    await this.inSteps(BATCH.calls, (manager) => this.jobs.deleteCalls(manager, BATCH.calls));
    const deleted = { results, jobs, callbacks, chunks, uploads, events, endpoints };
    if (Object.values(deleted).some((count) => count > 0)) {
      this.logger.log({ msg: 'deleted expired rows', ...deleted });
    }
    return deleted;
  }

  private removeOlder(age: number, kind: DeletedKind, size: number, step: Step): Promise<number> {
    return age === 0 ? Promise.resolve(0) : this.remove(kind, size, step);
  }

  private remove(kind: DeletedKind, size: number, step: Step): Promise<number> {
    return this.inSteps(size, step, (count) => this.deletedRows.add(kind, count));
  }

  private async searchOrphans(
    manager: EntityManager,
    retentionLease: RetentionLease,
  ): Promise<number> {
    const { searchedUpTo, now } = retentionLease;
    const { count, upTo } = await this.jobs.deleteOrphans(
      manager,
      searchedUpTo,
      now,
      BATCH.contents,
    );
    if (upTo !== undefined) await this.leases.recordSearched(manager, upTo);
    return count;
  }

  /** Stops if another process holds the lease. `onDone` receives the count of each committed batch. */
  private inSteps(size: number, step: Step, onDone?: (count: number) => void): Promise<number> {
    return inSteps(size, this.stop.signal, async () => {
      const count = await this.transactions.run(async (manager) => {
        const lease = await this.leases.acquireLease(manager, this.holder);
        return lease === undefined ? 0 : step(manager, lease);
      });
      onDone?.(count);
      return count;
    });
  }
}
