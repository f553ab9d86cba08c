import { Injectable } from '@nestjs/common';
import { AuditQueries, type RefusalFilter } from '../audit/audit-queries.js';
import { AuditWriter } from '../audit/audit-writer.js';
import {
  CallbackJobsService,
  type CallbackJob,
  type VerifiedCallback,
} from '../jobs/callback-jobs.service.js';
import type { Judgement } from '../webhooks/callback-checks.js';
import { RefusalRechecker, type RecheckResult } from '../webhooks/refusal-rechecker.js';
import type { Actor } from '../audit/audit-entry.js';
import { AdminActions } from './admin-actions.js';

/** The result of a re-check, with the refusals that could not be checked. */
export interface Recheck extends RecheckResult {
  /** Only counted, or past the retention of raw requests. */
  readonly notKept: number;
}

const JOBS_PER_TRANSACTION = 200;

/** Finds the refused callbacks that the current settings accept, and accepts them. */
@Injectable()
export class RefusalRecheck {
  constructor(
    private readonly queries: AuditQueries,
    private readonly writer: AuditWriter,
    private readonly rechecker: RefusalRechecker,
    private readonly callbackJobs: CallbackJobsService,
    private readonly actions: AdminActions,
  ) {}

  /** Changes nothing. */
  async recheck(filter: RefusalFilter, actor: Actor): Promise<Recheck> {
    return this.actions.run(actor, 'refusals.recheck', { filter }, async () => {
      const result = await this.judge(filter);
      const { checked, wouldPass, keyMissing, notKept } = result;
      return { result, detail: { checked, wouldPass, keyMissing, notKept } };
    });
  }

  /**
   * Accepts the refused callbacks that the current settings accept: the gateway polls their open jobs. Returns the
   * number of those jobs with the result of the re-check.
   */
  async accept(filter: RefusalFilter, actor: Actor): Promise<Recheck & { polling: number }> {
    const found = await this.judge(filter);
    const open = [...found.jobs.values()].filter(({ job }) => this.callbackJobs.isOpen(job));
    const intent = { filter, passed: found.wouldPass, jobs: open.length };
    // At least once, because the audit records the action even without open jobs.
    for (let first = 0; first === 0 || first < open.length; first += JOBS_PER_TRANSACTION) {
      const part = open.slice(first, first + JOBS_PER_TRANSACTION);
      const callbacks = part.map(({ job, judgement }) => toVerifiedCallback(judgement, job));
      await this.callbackJobs.withPolls((polls) =>
        this.actions.transact(actor, 'refusals.accept', intent, async (manager) => {
          if (callbacks.length > 0) await polls.request(manager, callbacks);
          return { result: undefined, detail: { jobIds: part.map(({ job }) => job.id) } };
        }),
      );
    }
    return { ...found, polling: open.length };
  }

  private async judge(filter: RefusalFilter): Promise<Recheck> {
    await this.writer.flushAudit();
    const found = await this.rechecker.recheckRefusals(filter);
    const { stored, counted } = await this.queries.summarizeRefusals({
      ...filter,
      outcome: 'refused',
    });
    const kept = found.checked + found.keyMissing + found.unreadable;
    return { ...found, notKept: stored + counted - kept };
  }
}

function toVerifiedCallback({ message, provedBy }: Judgement, job: CallbackJob): VerifiedCallback {
  return {
    jobId: job.id,
    upstreamId: message?.upstreamId ?? '',
    status: message?.status ?? '',
    proven: provedBy !== undefined,
  };
}
