import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LRUCache } from 'lru-cache';
import { Repository } from 'typeorm';
import { CallbackJobsService } from '../../jobs/callback-jobs.service.js';
import { Settings } from '../../platform/config/settings.js';
import { classifyDatabaseError, sqlStateOf } from '../../platform/database/database-errors.js';
import { preparedRows, type Statement } from '../../platform/database/sql.js';
import { RepeatedEvents } from '../../platform/logging/repeated-events.js';
import type { BatchWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { CALLBACKS_STORED } from '../receiving/callback-inbox.js';
import { InboxEntry } from '../receiving/inbox-entry.entity.js';
import { FIND_CALLBACKS, RELAY_CALLBACK, RELAY_CALLBACKS } from './relay-statements.js';

/** Beyond it the gateway forgets the backoff of the oldest ones. */
const MAX_FAILING_ENTRIES = 10_000;
const MAX_BACKOFF_SECONDS = 60;

interface FailingEntry {
  readonly attempts: number;
  /** In the time of `performance.now()`. */
  readonly waitsUntil: number;
}

const MAX_PER_STATEMENT = 200;

/**
 * Due work: moves callbacks from the inbox to `callbacks` and requests polls of their jobs, in one statement. Workers
 * share the work. All writes to `callbacks`.
 */
@Injectable()
export class CallbackRelay implements BatchWork, OnModuleInit {
  readonly name = 'relay';
  readonly topic = CALLBACKS_STORED;
  readonly batchSize = MAX_PER_STATEMENT;
  // A burst is taken in first: its sender waits, and what follows from it does not.
  readonly yieldsWhenBusy = true;
  private readonly logger = new Logger(CallbackRelay.name);

  constructor(
    private readonly settings: Settings,
    @InjectRepository(InboxEntry) private readonly inbox: Repository<InboxEntry>,
    private readonly engine: WorkEngine,
    private readonly callbackJobs: CallbackJobsService,
  ) {}

  /** Entries that failed by a defect, by id: the next attempt of each waits, so that others get their turn. */
  private readonly failing = new LRUCache<string, FailingEntry>({ max: MAX_FAILING_ENTRIES });
  private readonly failures = new RepeatedEvents((kind, count) =>
    this.logger.error({ msg: 'callbacks could not be relayed', kind, count }),
  );

  onModuleInit(): void {
    this.engine.addBatch(this);
  }

  /** Returns how many callbacks it took. */
  async perform(): Promise<number> {
    const waitingIds = this.waitingIds();
    try {
      return await this.relay(RELAY_CALLBACKS, [MAX_PER_STATEMENT, waitingIds]);
    } catch (error) {
      if (!concernsRow(error)) throw error;
      if (classifyDatabaseError(error) === 'other' && this.failures.isFirst('batch'))
        this.logger.error({ msg: 'callbacks could not be relayed together', err: error });
      return this.relayOneByOne(waitingIds);
    }
  }

  private relay(statement: Statement, parameters: readonly unknown[]): Promise<number> {
    return this.callbackJobs.withPolls((polls) =>
      polls.record(this.inbox.manager, statement, parameters),
    );
  }

  /** Relays each callback by itself, so that a failing one does not block the others. Returns how many it relayed or dropped. */
  private async relayOneByOne(waitingIds: readonly string[]): Promise<number> {
    const waiting = await preparedRows<WaitingEntry>(this.inbox.manager, FIND_CALLBACKS, [
      MAX_PER_STATEMENT,
      waitingIds,
    ]);
    const failed: string[] = [];
    let done = 0;
    try {
      for (const entry of waiting) {
        try {
          // 0 if another relay took it.
          done += await this.relay(RELAY_CALLBACK, [entry.service, entry.id]);
          this.failing.delete(entry.id);
        } catch (error) {
          if (!concernsRow(error)) throw error;
          if (await this.drop(entry, error)) done += 1;
          else failed.push(entry.id);
        }
      }
    } finally {
      // From now on, however long that took: none of them is due again before the entries behind them had their turn.
      for (const id of failed) this.backOff(id);
    }
    return done;
  }

  /**
   * Drops a callback that PostgreSQL refuses; one that fails for another reason only when no job can still need
   * it. Nothing but a trigger is lost: the job is polled without it.
   */
  private async drop(
    { service, id, jobId, receivedAt }: WaitingEntry,
    error: unknown,
  ): Promise<boolean> {
    const refused = classifyDatabaseError(error) === 'data';
    const maxAge = this.settings.JOB_MAX_AGE_SECONDS * 1000;
    const dropped = refused || Date.now() - receivedAt.getTime() > maxAge;
    if (dropped) {
      // The message of PostgreSQL may quote the data.
      const reason = refused ? { sqlState: sqlStateOf(error) } : { err: error };
      this.logger.error({ msg: 'a callback was dropped', jobId, ...reason });
      await this.inbox.delete({ service, id });
      this.failing.delete(id);
      return true;
    }
    if (!this.failing.has(id) && this.failures.isFirst('defect')) {
      this.logger.error({ msg: 'a callback could not be relayed', jobId, err: error });
    }
    return false;
  }

  private backOff(id: string): void {
    const attempts = (this.failing.get(id)?.attempts ?? 0) + 1;
    const seconds = Math.min(2 ** attempts, MAX_BACKOFF_SECONDS);
    this.failing.set(id, { attempts, waitsUntil: performance.now() + seconds * 1000 });
  }

  private waitingIds(): string[] {
    const now = performance.now();
    return [...this.failing].filter(([, { waitsUntil }]) => waitsUntil > now).map(([id]) => id);
  }
}

/** Whether the callbacks are at fault, and not the database. */
function concernsRow(error: unknown): boolean {
  return ['data', 'other'].includes(classifyDatabaseError(error));
}

type WaitingEntry = Pick<InboxEntry, 'service' | 'id' | 'jobId' | 'receivedAt'>;
