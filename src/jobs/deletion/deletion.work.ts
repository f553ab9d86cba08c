import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { BatchWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { ReductoClient } from '../../reducto/reducto.client.js';
import { DELETIONS_DUE } from './job-deletion.js';
import { JobDeletionStore, type DueDeletion } from './job-deletion.store.js';

/** Well above the time limit of a request to Reducto. */
const TAKEN_SECONDS = 120;
const MAX_BACKOFF_SECONDS = 3600;
/** Attempts that Reducto refuses: some 19 hours. While Reducto is unavailable, the gateway goes on. */
const MAX_ATTEMPTS = 30;

/** Due work: jobs to delete at Reducto. A repeated deletion is harmless, so a time limit is lease enough. */
@Injectable()
export class DeletionWork implements BatchWork, OnModuleInit {
  readonly name = 'delete';
  readonly topic = DELETIONS_DUE;
  readonly batchSize = 4;
  readonly yieldsWhenBusy = true;
  private readonly logger = new Logger(DeletionWork.name);

  constructor(
    private readonly engine: WorkEngine,
    private readonly store: JobDeletionStore,
    private readonly reducto: ReductoClient,
  ) {}

  onModuleInit(): void {
    this.engine.addBatch(this);
  }

  /** Returns the number of jobs. */
  async perform(): Promise<number> {
    const due = await this.store.takeDue(this.batchSize, TAKEN_SECONDS);
    await Promise.all(due.map((deletion) => this.deleteJob(deletion)));
    return due.length;
  }

  private async deleteJob(due: DueDeletion): Promise<void> {
    const { jobId, upstreamId, includePersisted, attempts } = due;
    const answer = await this.reducto.deleteJob(upstreamId, includePersisted);
    if (answer.kind === 'deleted') return this.store.finishDeletion(jobId);
    const { error } = answer;
    if (attempts < MAX_ATTEMPTS || answer.kind === 'unavailable') {
      this.logger.warn({ msg: 'Reducto did not delete a job', jobId, reason: error.message });
      const seconds = Math.min(2 ** attempts, MAX_BACKOFF_SECONDS);
      return this.store.deferDeletion(jobId, seconds);
    }
    this.logger.error({ msg: 'the deletion of a job at Reducto is given up', jobId, attempts });
    return this.store.finishDeletion(jobId);
  }
}
