import { Injectable } from '@nestjs/common';
import { AuditKeys } from '../audit/audit-keys.js';
import { AuditQueries, type StoredRawRequest, type RefusalFilter } from '../audit/audit-queries.js';
import { bindingOf, decryptRawRequest, type RawRequest } from '../audit/raw-request.js';
import type { CallbackJob } from '../jobs/callback-jobs.service.js';
import { RawBody } from '../platform/http/body-reader.js';
import { CallbackChecks, type Judgement } from './callback-checks.js';

/** The verdicts of the current guards about stored refusals. */
export interface RecheckResult {
  readonly checked: number;
  readonly wouldPass: number;
  readonly stillRefused: number;
  /** Stored, but encrypted with a key that `AUDIT_KEYS` lacks. */
  readonly keyMissing: number;
  readonly missingKeys: readonly string[];
  /** Stored, but changed since. */
  readonly unreadable: number;
  /** By guard. */
  readonly stillRefusedBy: Readonly<Record<string, number>>;
  /** The jobs of the callbacks that would pass, each with the verdicts. */
  readonly jobs: ReadonlyMap<string, { readonly job: CallbackJob; readonly judgement: Judgement }>;
  /** False if the limit of one re-check was reached. */
  readonly complete: boolean;
}

const PAGE_SIZE = 500;
const MAX_REFUSALS = 20_000;

/**
 * Checks refused callbacks again with the current settings, to find those that a wrong setting refused. Signatures
 * must have been fresh when the callback arrived.
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
      for (const stored of page) {
        after = stored.id;
        read += 1;
        if (this.keys.find(stored.keyId) === undefined) {
          keyMissing += 1;
          missingKeys.add(stored.keyId);
          continue;
        }
        const callback = this.decrypt(stored);
        if (callback === undefined) {
          unreadable += 1;
          continue;
        }
        const judgement = await this.checks.checkCallback({
          ...callback,
          body: new RawBody(callback.body, true),
          receivedAt: stored.at,
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

  /** `undefined` if the raw request was changed, or belongs to another refusal. */
  private decrypt({ keyId, rawRequest, data }: StoredRawRequest): RawRequest | undefined {
    const key = this.keys.find(keyId);
    if (key === undefined) return undefined;
    if (data['originalSha256'] !== bindingOf(rawRequest).originalSha256) return undefined;
    try {
      return decryptRawRequest(key, rawRequest);
    } catch {
      return undefined;
    }
  }
}
