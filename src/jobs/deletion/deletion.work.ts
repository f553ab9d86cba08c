import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { actionEntry, type ActionRecord, type Actor } from '../../audit/audit-entry.js';
import { AuditLog } from '../../audit/audit-log.js';
import type { BatchWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { ReductoClient } from '../../reducto/reducto.client.js';
import { summaryOf } from '../../reducto/upstream-error.js';
import { UpstreamRateLimiter } from '../../reducto/upstream-rate-limiter.js';
import { CallbackTokenService } from '../callback-token.service.js';
import { jobIdsOf } from '../recovery/upstream-metadata.js';
import { DELETE_ACTION, DELETIONS_DUE } from './job-deletion.js';
import { JobDeletionStore, type DueDeletion } from './job-deletion.store.js';

/** Well above the time limit of a request to Reducto. */
const TAKEN_SECONDS = 120;
const MAX_BACKOFF_SECONDS = 3600;
/** Attempts that Reducto refuses: some 19 hours. While Reducto is unavailable, the gateway goes on. */
const MAX_ATTEMPTS = 30;

/** It deletes orphans that no service has asked it to delete. */
const GATEWAY: Actor = { keyId: '', service: 'gateway', via: 'gateway' };

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
    private readonly audit: AuditLog,
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
    if (isNeeded) return this.keep(due, 'belongs_to_another_job');
    if (origin === 'callback') {
      const verdict = await this.verify(due);
      if (verdict === 'unavailable') return this.defer(due, 'a callback could not be verified');
      if (verdict === 'refuted') return this.keep(due, 'not_confirmed');
    }
    // Reducto keeps a job that runs: an orphan may, and a job that the gateway gave up.
    if (origin !== 'job' || attempts > 1) await this.reducto.cancelJob(upstreamId);
    const answer = await this.reducto.deleteJob(upstreamId, includePersisted);
    if (answer.kind === 'deleted') {
      const reducto = answer.found ? 'deletes it' : 'does not have it';
      return this.finish(due, { state: 'done', detail: { reducto } });
    }
    if (attempts < MAX_ATTEMPTS || answer.kind === 'unavailable')
      return this.defer(due, answer.error.message);
    this.logger.error({ msg: 'the deletion of a job at Reducto is given up', jobId, attempts });
    const detail = { attempts, reducto: summaryOf(answer.error) };
    return this.finish(due, { state: 'failed', reason: 'refused_upstream', detail });
  }

  /** Does not delete what may be the upstream job of another job. Only a request of a service has an outcome. */
  private keep(due: DueDeletion, reason: string): Promise<void> {
    const isRequested = due.requestedBy !== null;
    return this.finish(due, isRequested ? { state: 'failed', reason, detail: {} } : undefined);
  }

  /** Removes the deletion, in one transaction with the audit entry of its `outcome`. */
  private async finish(
    due: DueDeletion,
    outcome?: Pick<ActionRecord, 'state' | 'reason' | 'detail'>,
  ): Promise<void> {
    const { jobId, upstreamId, origin, requestedBy } = due;
    await this.audit.transact(async (manager, append) => {
      await this.store.finishDeletion(manager, due);
      if (outcome === undefined) return;
      const detail = { jobId, upstreamId, origin, ...outcome.detail };
      const { actor, ...intent } = requestedBy ?? { actor: GATEWAY };
      const entry = actionEntry({ action: DELETE_ACTION, ...outcome, actor, ...intent, detail });
      await append([{ entry }]);
    });
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
    // It says nothing about the job.
    if (answer.kind === 'unusable' && answer.rawConfig === null) return 'unavailable';
    this.logger.warn({ msg: 'Reducto does not confirm that a callback is of its job', jobId });
    return 'refuted';
  }

  private defer(due: DueDeletion, reason: string): Promise<void> {
    const { jobId, attempts } = due;
    this.logger.warn({ msg: 'Reducto did not delete a job', jobId, reason });
    return this.store.deferDeletion(due, Math.min(2 ** attempts, MAX_BACKOFF_SECONDS));
  }
}
