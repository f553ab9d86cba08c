import { Injectable } from '@nestjs/common';
import { AuditKeys } from '../audit/audit-keys.js';
import { AuditReads, type RefusalFilter } from '../audit/audit-reads.js';
import { unseal, type OriginalCallback } from '../audit/originals.js';
import { CallbackHints, type CallbackJob, type NotedCallback } from '../jobs/callback-hints.js';
import { Transactions } from '../platform/database/transactions.js';
import { RawBody } from '../platform/http/body-reader.js';
import { CallbackChecks, type Judgement } from '../webhooks/callback-checks.js';
import { AdminActions, type Actor } from './admin-actions.js';

/** What today's guards say of refusals that were kept. */
export interface Recheck {
  readonly checked: number;
  readonly wouldPass: number;
  readonly stillRefused: number;
  readonly notKept: number;
  /** By guard. */
  readonly stillRefusedBy: Readonly<Record<string, number>>;
  /** The jobs of those that would pass, each with what its callback says. */
  readonly jobs: ReadonlyMap<string, { readonly job: CallbackJob; readonly hint: NotedCallback }>;
  /** False where there were more than one call may check. */
  readonly complete: boolean;
}

const PAGE_SIZE = 500;
const MOST = 20_000;
const JOBS_PER_TRANSACTION = 200;

/**
 * Judges refused callbacks again, with the settings of today: after a mistake in the settings has been
 * put right, the callbacks that it cost can be found and let pass. Signatures are judged by the time
 * at which they came.
 */
@Injectable()
export class RefusalRecheck {
  constructor(
    private readonly reads: AuditReads,
    private readonly keys: AuditKeys,
    private readonly checks: CallbackChecks,
    private readonly hints: CallbackHints,
    private readonly transactions: Transactions,
    private readonly actions: AdminActions,
  ) {}

  /** Changes nothing. */
  async judge(filter: RefusalFilter): Promise<Recheck> {
    const refused = { ...filter, outcome: 'refused' } as const;
    const jobs = new Map<string, { job: CallbackJob; hint: NotedCallback }>();
    const stillRefusedBy: Record<string, number> = {};
    let [checked, wouldPass, after, complete] = [0, 0, '0', true];
    for (;;) {
      const page = await this.reads.originals(refused, after, PAGE_SIZE);
      for (const { at, keyId, original, id } of page) {
        after = id;
        const callback = this.open(keyId, original);
        if (callback === undefined) continue;
        checked += 1;
        const judgement = await this.checks.judge({
          ...callback,
          body: new RawBody(callback.body, true),
          receivedAt: at,
        });
        if (judgement.refusedBy !== undefined) {
          stillRefusedBy[judgement.refusedBy] = (stillRefusedBy[judgement.refusedBy] ?? 0) + 1;
          continue;
        }
        wouldPass += 1;
        if (judgement.job !== undefined)
          jobs.set(judgement.job.id, hintOf(judgement, judgement.job));
      }
      if (page.length < PAGE_SIZE) break;
      if (checked >= MOST) {
        complete = false;
        break;
      }
    }
    const { stored, counted } = await this.reads.summary(refused);
    const notKept = stored + counted - checked;
    const stillRefused = checked - wouldPass;
    return { checked, wouldPass, stillRefused, notKept, stillRefusedBy, jobs, complete };
  }

  /**
   * Lets pass what today's guards would take: the jobs are looked at, as if the callbacks had come now.
   * A job that has ended stays as it is. Returns how many are looked at, beside what was found.
   */
  async accept(filter: RefusalFilter, actor: Actor): Promise<Recheck & { settling: number }> {
    const found = await this.judge(filter);
    const open = [...found.jobs.values()].filter(({ job }) => this.hints.isOpen(job));
    const detail = { filter, passed: found.wouldPass, jobs: open.length };
    if (open.length === 0) await this.actions.record(actor, 'refusals.accept', detail);
    for (let first = 0; first < open.length; first += JOBS_PER_TRANSACTION) {
      const part = open.slice(first, first + JOBS_PER_TRANSACTION);
      await this.transactions.run(async (manager) => {
        await this.hints.take(
          manager,
          part.map(({ hint }) => hint),
        );
        const jobIds = part.map(({ job }) => job.id);
        await this.actions.recordWithin(manager, actor, 'refusals.accept', { ...detail, jobIds });
      });
    }
    return { ...found, settling: open.length };
  }

  /** `undefined` where the key is gone. */
  private open(keyId: string, sealed: Buffer): OriginalCallback | undefined {
    const key = this.keys.find(keyId);
    return key === undefined ? undefined : unseal(key, sealed);
  }
}

function hintOf(
  { message, provedBy }: Judgement,
  job: CallbackJob,
): { job: CallbackJob; hint: NotedCallback } {
  const upstreamId = message?.upstreamId ?? '';
  const status = message?.status ?? '';
  return {
    job,
    hint: {
      jobId: job.id,
      upstreamId,
      status,
      proven: provedBy !== undefined,
      repeated: false,
    },
  };
}
