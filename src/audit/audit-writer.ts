import { setTimeout } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { withTimeout } from '../platform/with-timeout.js';
import { AuditMetrics } from './audit.metrics.js';
import { AuditLog, type AppendedEntry, type AppendAttempt } from './audit-log.js';
import { RefusalCounts } from './refusals/refusal-counts.js';
import type { CountedRefusal } from './refusal.js';

/** Time that an entry waits for others. A crash loses the entries of this time and of the commit. */
const ENTRY_WAIT_MILLISECONDS = 200;
/** The same for refusals that are only counted. */
const COUNT_WAIT_MILLISECONDS = 1000;
const MAX_PER_WRITE = 500;
/** Maximum waiting entries; further refusals are only counted. */
const MAX_WAITING = 2000;
const RETRY_MILLISECONDS = 1000;
/** Time that a shutdown waits for a silent database. */
const SHUTDOWN_TIMEOUT_MILLISECONDS = 5000;

/**
 * Writes the audit in the background, so that a refusal only costs memory. The buffer is bounded: while the database is
 * unavailable, further refusals are counted, and the sum stays exact.
 */
@Injectable()
export class AuditWriter implements OnApplicationShutdown {
  private readonly logger = new Logger(AuditWriter.name);
  private waiting: AppendedEntry[] = [];
  private readonly counts = new RefusalCounts();
  private countsSince: number | undefined;
  private writing: Promise<void> | undefined;
  private last: Promise<void> = Promise.resolve();
  private unknownWrite: { transaction: string; entries: number } | undefined;
  private stopping = false;

  constructor(
    private readonly store: AuditLog,
    private readonly metrics: AuditMetrics,
  ) {
    metrics.watch(() => this.waiting.length);
  }

  /** Whether the buffer has room for a single entry. */
  get hasRoom(): boolean {
    return this.waiting.length < MAX_WAITING;
  }

  enqueueEntry(appendedEntry: AppendedEntry): void {
    this.waiting.push(appendedEntry);
    this.beginWriting();
  }

  countRefusal(refusal: CountedRefusal, at: Date): void {
    this.counts.countRefusal(refusal, at);
    this.countsSince ??= performance.now();
    this.beginWriting();
  }

  /** Resolves once all entries so far are in the database; rejects if they cannot be written. */
  flushAudit(): Promise<void> {
    return this.write(true);
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    const end = await withTimeout(SHUTDOWN_TIMEOUT_MILLISECONDS, this.flushAudit());
    if (end.outcome === 'done') return;
    this.logger.error({
      msg: 'audit entries were lost',
      entries: this.waiting.length,
      ...end,
    });
  }

  private beginWriting(): void {
    this.writing ??= this.run().finally(() => {
      this.writing = undefined;
      if (this.hasWork && !this.stopping) this.beginWriting();
    });
  }

  private get hasWork(): boolean {
    return this.waiting.length > 0 || !this.counts.isEmpty;
  }

  private async run(): Promise<void> {
    while (this.hasWork && !this.stopping) {
      await setTimeout(ENTRY_WAIT_MILLISECONDS, undefined, { ref: false });
      try {
        await this.write(false);
      } catch (error) {
        this.metrics.recordFailure();
        this.logger.warn({
          msg: 'the audit cannot be written; the entries stay in memory, and the gateway retries',
          err: error,
        });
        await setTimeout(RETRY_MILLISECONDS, undefined, { ref: false });
      }
    }
  }

  /** One write at a time, in the order of the calls. */
  private write(countsToo: boolean): Promise<void> {
    const written = this.last.then(() => this.writeNow(countsToo));
    this.last = written.catch(() => undefined);
    return written;
  }

  private async writeNow(countsToo: boolean): Promise<void> {
    const countsDue =
      countsToo ||
      (this.countsSince !== undefined &&
        performance.now() - this.countsSince >= COUNT_WAIT_MILLISECONDS);
    if (countsDue && !this.counts.isEmpty) {
      this.waiting.push(...this.counts.drainCounts().map((entry) => ({ entry })));
      this.countsSince = undefined;
    }
    await this.resolveUnknownWrite();
    while (this.waiting.length > 0) {
      const batch = this.waiting.slice(0, MAX_PER_WRITE);
      const attempt: AppendAttempt = {};
      try {
        await this.store.appendEntries(batch, attempt);
      } catch (error) {
        if (attempt.transaction !== undefined) {
          this.unknownWrite = { transaction: attempt.transaction, entries: batch.length };
        }
        throw error;
      }
      this.waiting.splice(0, batch.length);
      this.metrics.recordWritten(batch.length);
    }
  }

  /** A connection that broke during the commit leaves its outcome unknown; a second write would falsify the sum. */
  private async resolveUnknownWrite(): Promise<void> {
    if (this.unknownWrite === undefined) return;
    if (await this.store.wasCommitted(this.unknownWrite.transaction)) {
      this.waiting.splice(0, this.unknownWrite.entries);
      this.metrics.recordWritten(this.unknownWrite.entries);
    }
    this.unknownWrite = undefined;
  }
}
