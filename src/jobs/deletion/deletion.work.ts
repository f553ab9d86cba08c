import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { BatchWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { ReductoClient } from '../../reducto/reducto.client.js';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import { CallbackTokenService } from '../callback-token.service.js';
import { jobIdsOf } from '../recovery/upstream-metadata.js';
import { DELETIONS_DUE } from './job-deletion.js';
import { JobDeletionStore, type DueDeletion } from './job-deletion.store.js';

/** Well above the time limit of a request to Reducto. */
const TAKEN_SECONDS = 120;
const MAX_BACKOFF_SECONDS = 3600;
/** Attempts that Reducto refuses: some 19 hours. While Reducto is unavailable, the gateway goes on. */
const MAX_ATTEMPTS = 30;

/** Due work: upstream jobs to delete. A repeated deletion is harmless, so a time limit is lease enough. */
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
    private readonly tokens: CallbackTokenService,
    private readonly rateLimiter: UpstreamRateLimiter,
  ) {}

  onModuleInit(): void {
    this.engine.addBatch(this);
  }

  /** Returns the number of jobs. While Reducto is unavailable, due deletions stay where they are. */
  async perform(): Promise<number> {
    const allowed = await this.rateLimiter.polls.allowance();
    if (allowed === 0) return 0;
    const due = await this.store.takeDue(Math.min(this.batchSize, allowed), TAKEN_SECONDS);
    await Promise.all(due.map((deletion) => this.deleteJob(deletion)));
    return due.length;
  }

  private async deleteJob(due: DueDeletion): Promise<void> {
    const { jobId, upstreamId, includePersisted, origin, attempts, isNeeded } = due;
    if (isNeeded) return this.store.finishDeletion(due);
    if (origin === 'callback') {
      const verdict = await this.verify(due);
      if (verdict === 'unavailable') return this.defer(due, 'a callback could not be verified');
      if (verdict === 'refuted') return this.store.finishDeletion(due);
    }
    // Reducto keeps a job that runs: an orphan may, and a job that the gateway gave up.
    if (origin !== 'job' || attempts > 1) await this.reducto.cancelJob(upstreamId);
    const answer = await this.reducto.deleteJob(upstreamId, includePersisted);
    if (answer.kind === 'deleted') return this.store.finishDeletion(due);
    if (attempts < MAX_ATTEMPTS || answer.kind === 'unavailable')
      return this.defer(due, answer.error.message);
    this.logger.error({ msg: 'the deletion of a job at Reducto is given up', jobId, attempts });
    return this.store.finishDeletion(due);
  }

  /** Whether Reducto shows the request of this job: a callback authenticates its job, but not the upstream id. */
  private async verify({
    jobId,
    upstreamId,
  }: DueDeletion): Promise<'verified' | 'refuted' | 'unavailable'> {
    const answer = await this.reducto.pollJob(upstreamId);
    if (answer.kind === 'not_found') return 'refuted';
    if (answer.rawConfig !== null && jobIdsOf(answer.rawConfig, this.tokens).includes(jobId))
      return 'verified';
    if (answer.kind === 'unavailable' || answer.kind === 'not_asked') return 'unavailable';
    this.logger.warn({ msg: 'Reducto does not confirm that a callback is of its job', jobId });
    return 'refuted';
  }

  private defer(due: DueDeletion, reason: string): Promise<void> {
    const { jobId, attempts } = due;
    this.logger.warn({ msg: 'Reducto did not delete a job', jobId, reason });
    return this.store.deferDeletion(due, Math.min(2 ** attempts, MAX_BACKOFF_SECONDS));
  }
}
