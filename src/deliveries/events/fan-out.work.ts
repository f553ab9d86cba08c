import { setTimeout } from 'node:timers/promises';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { JOB_ENDED } from '../../jobs/job-ends.js';
import { classifyDatabaseError, sqlStateOf } from '../../platform/database/database-errors.js';
import type { BatchWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { FanOut } from './fan-out.js';
import { FanOutStore } from './fan-out.store.js';

const BATCH_SIZE = 500;
/** After a batch of several that was not full, the next one gathers for this long: a single end never waits. */
const GATHER_MILLISECONDS = 50;
const NIL = '00000000-0000-0000-0000-000000000000';
/** How long a job is skipped whose event PostgreSQL refuses to store. */
const SKIP_MILLISECONDS = 60_000;

/** Due work: makes the events of jobs that ended, and their deliveries. */
@Injectable()
export class FanOutWork implements BatchWork, OnModuleInit {
  readonly name = 'fan_out';
  readonly topic = JOB_ENDED;
  readonly batchSize = 1;
  readonly yieldsWhenBusy = true;
  private readonly logger = new Logger(FanOutWork.name);
  private readonly skipped = new LRUCache<string, true>({ max: 1000, ttl: SKIP_MILLISECONDS });
  private limit = BATCH_SIZE;
  /**
   * The last job of the batches before. After an outage with many ends, each batch would else read the index entries of all
   * rows that those have deleted, which vacuum cannot remove while a backup runs.
   */
  private from = NIL;
  private gathers = false;

  constructor(
    private readonly fanOut: FanOut,
    private readonly store: FanOutStore,
    private readonly engine: WorkEngine,
  ) {}

  onModuleInit(): void {
    this.engine.addBatch(this);
  }

  /** Returns 0 if nothing is left. A job whose event PostgreSQL refuses is found by halves, and skipped for a while. */
  async perform(): Promise<number> {
    if (this.gathers) await setTimeout(GATHER_MILLISECONDS);
    this.gathers = false;
    const skipped = [...this.skipped.keys()];
    const { limit, from } = this;
    try {
      const { taken, last } = await this.fanOut.fanOutEnds(limit, skipped, from);
      this.limit = BATCH_SIZE;
      this.gathers = taken > 1 && taken < limit;
      this.from = taken < limit || last === null ? NIL : last;
      // Jobs with lower ids may have ended meanwhile.
      return taken < limit && from === NIL ? 0 : 1;
    } catch (error) {
      if (classifyDatabaseError(error) !== 'data') throw error;
      this.limit = Math.ceil(limit / 2);
      if (limit === 1) await this.skipFirst(skipped, from, sqlStateOf(error));
      return 1;
    }
  }

  private async skipFirst(
    skipped: readonly string[],
    from: string,
    sqlState: string,
  ): Promise<void> {
    this.limit = BATCH_SIZE;
    const jobId = await this.store.findFirst(skipped, from);
    if (jobId === undefined) return;
    this.skipped.set(jobId, true);
    this.logger.error({ msg: 'the event of a job cannot be stored', jobId, sqlState });
  }
}
