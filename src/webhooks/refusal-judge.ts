import { Injectable } from '@nestjs/common';
import { AuditKeys } from '../audit/audit-keys.js';
import { AuditQueries, type StoredRawRequest, type RefusalFilter } from '../audit/audit-queries.js';
import { boundTo, decryptRawRequest, type RawRequest } from '../audit/raw-request.js';
import type { CallbackJob } from '../jobs/callback-jobs.service.js';
import { RawBody } from '../platform/http/body-reader.js';
import { CallbackChecks, type Judgement } from './callback-checks.js';

/** What the guards say today of refusals that were kept. */
export interface RecheckResult {
  readonly checked: number;
  readonly wouldPass: number;
  readonly stillRefused: number;
  /** Kept, but sealed with a key that `AUDIT_KEYS` does not hold. */
  readonly keyMissing: number;
  readonly missingKeys: readonly string[];
  /** Kept, but not as they were sealed. */
  readonly unreadable: number;
  /** By guard. */
  readonly stillRefusedBy: Readonly<Record<string, number>>;
  /** The jobs of those that would pass, each with what its callback says. */
  readonly jobs: ReadonlyMap<string, { readonly job: CallbackJob; readonly judgement: Judgement }>;
  /** False where there were more than one call may check. */
  readonly complete: boolean;
}

const PAGE_SIZE = 500;
const MAX_REFUSALS = 20_000;

/**
 * Judges refused callbacks again, with the settings of today: after a mistake in the settings has been
 * put right, the callbacks that it cost can be found. Signatures are judged by the time at which they came.
 */
@Injectable()
export class RefusalRechecker {
  constructor(
    private readonly queries: AuditQueries,
    private readonly keys: AuditKeys,
    private readonly checks: CallbackChecks,
  ) {}

  async recheckRefusals(filter: RefusalFilter, limit = MAX_REFUSALS): Promise<RecheckResult> {
    const jobs = new Map<string, { job: CallbackJob; judgement: Judgement }>();
    const stillRefusedBy: Record<string, number> = {};
    const missingKeys = new Set<string>();
    let [wouldPass, stillRefused, keyMissing, unreadable] = [0, 0, 0, 0];
    let [read, after, complete] = [0, '0', true];
    for (;;) {
      const size = Math.min(PAGE_SIZE, limit);
      const page = await this.queries.readRawRequests(
        { ...filter, outcome: 'refused' },
        after,
        size,
      );
      for (const kept of page) {
        after = kept.id;
        read += 1;
        if (this.keys.find(kept.keyId) === undefined) {
          keyMissing += 1;
          missingKeys.add(kept.keyId);
          continue;
        }
        const callback = this.open(kept);
        if (callback === undefined) {
          unreadable += 1;
          continue;
        }
        const judgement = await this.checks.checkCallback({
          ...callback,
          body: new RawBody(callback.body, true),
          receivedAt: kept.at,
        });
        const { refusedBy, job } = judgement;
        if (refusedBy !== undefined) {
          stillRefused += 1;
          stillRefusedBy[refusedBy] = (stillRefusedBy[refusedBy] ?? 0) + 1;
          continue;
        }
        wouldPass += 1;
        if (job !== undefined) jobs.set(job.id, { job, judgement });
      }
      if (page.length < size) break;
      if (read >= limit) {
        complete = false;
        break;
      }
    }
    return {
      checked: wouldPass + stillRefused,
      wouldPass,
      stillRefused,
      keyMissing,
      missingKeys: [...missingKeys],
      unreadable,
      stillRefusedBy,
      jobs,
      complete,
    };
  }

  /** `undefined` where it was changed, or exchanged for the original of another refusal. */
  private open({ keyId, rawRequest: original, data }: StoredRawRequest): RawRequest | undefined {
    const key = this.keys.find(keyId);
    if (key === undefined) return undefined;
    if (data['originalSha256'] !== boundTo(original).originalSha256) return undefined;
    try {
      return decryptRawRequest(key, original);
    } catch {
      return undefined;
    }
  }
}
