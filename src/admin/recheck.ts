import { Injectable } from '@nestjs/common';
import { AuditReads, type RefusalFilter } from '../audit/audit-reads.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { CallbackHints, type CallbackJob, type NotedCallback } from '../jobs/callback-hints.js';
import type { Judgement } from '../webhooks/callback-checks.js';
import { RefusalJudge, type Rejudged } from '../webhooks/refusal-judge.js';
import { AdminActions, type Actor } from './admin-actions.js';

/** What the guards say today of refusals, with those that could not be judged. */
export interface Recheck extends Rejudged {
  /** Only counted, or their time is over. */
  readonly notKept: number;
}

const JOBS_PER_TRANSACTION = 200;

/** Finds the refused callbacks that today's settings would let pass, and lets them pass. */
@Injectable()
export class RefusalRecheck {
  constructor(
    private readonly reads: AuditReads,
    private readonly writer: AuditWriter,
    private readonly judges: RefusalJudge,
    private readonly hints: CallbackHints,
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
   * Lets pass what today's guards would take: the jobs are polled, as if the callbacks had come now.
   * A job that has ended stays as it is. Returns how many are polled, beside what was found.
   */
  async accept(filter: RefusalFilter, actor: Actor): Promise<Recheck & { settling: number }> {
    const found = await this.judge(filter);
    const open = [...found.jobs.values()].filter(({ job }) => this.hints.isOpen(job));
    const intent = { filter, passed: found.wouldPass, jobs: open.length };
    // At least once: an admin accepted, even where there was nothing to do.
    for (let first = 0; first === 0 || first < open.length; first += JOBS_PER_TRANSACTION) {
      const part = open.slice(first, first + JOBS_PER_TRANSACTION);
      await this.actions.transact(actor, 'refusals.accept', intent, async (manager) => {
        const hints = part.map(({ job, judgement }) => hintOf(judgement, job));
        if (hints.length > 0) await this.hints.take(manager, hints);
        return { result: undefined, detail: { jobIds: part.map(({ job }) => job.id) } };
      });
    }
    return { ...found, settling: open.length };
  }

  private async judge(filter: RefusalFilter): Promise<Recheck> {
    await this.writer.flush();
    const found = await this.judges.judge(filter);
    const { stored, counted } = await this.reads.summary({ ...filter, outcome: 'refused' });
    const kept = found.checked + found.keyMissing + found.unreadable;
    return { ...found, notKept: stored + counted - kept };
  }
}

function hintOf({ message, provedBy }: Judgement, job: CallbackJob): NotedCallback {
  return {
    jobId: job.id,
    upstreamId: message?.upstreamId ?? '',
    status: message?.status ?? '',
    proven: provedBy !== undefined,
    repeated: false,
  };
}
