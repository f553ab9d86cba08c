import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { Metrics } from '../platform/metrics/metrics.js';
import { AuditKeys } from './audit-keys.js';
import { AuditWriter } from './audit-writer.js';
import { seal } from './originals.js';
import { printable, shownRequest } from './redacted-request.js';
import { RefusalBudget } from './refusal-budget.js';
import {
  GUARD_OF_CAUSE,
  GUARDS,
  REFUSAL_CAUSES,
  type Refusal,
  type RefusalCause,
} from './refusal.js';

/** Log lines per cause and minute; the audit has the rest. */
const LINES_PER_MINUTE = 30;

/** All that can be counted, so that no flood makes a series. */
const SERIES = REFUSAL_CAUSES.flatMap((cause) =>
  (['refused', 'observed'] as const).map((outcome) => ({ cause, outcome })),
);

/** Records refused callbacks: in the audit, in the figures, and some of them in the log. Never waits. */
@Injectable()
export class Refusals {
  private readonly logger = new Logger(Refusals.name);
  private readonly budget: RefusalBudget;
  /** By cause and outcome. An instrument of its own would cost more than the rest of a refusal that is only counted. */
  private readonly counts = new Map<string, number>();
  private readonly recent = new Map<RefusalCause, { minute: number; lines: number }>();

  constructor(
    settings: Settings,
    private readonly keys: AuditKeys,
    private readonly writer: AuditWriter,
    { meter }: Metrics,
  ) {
    this.budget = new RefusalBudget({
      perAddress: settings.AUDIT_ENTRIES_PER_MINUTE,
      total: settings.AUDIT_ENTRIES_PER_MINUTE_TOTAL,
      originalBytes: settings.AUDIT_ORIGINAL_BYTES_PER_MINUTE,
    });
    meter
      .createObservableCounter('gateway_callbacks_refused', {
        description: 'Callbacks that a guard refused, or would have refused (outcome "observed")',
      })
      .addCallback((result) => {
        for (const { cause, outcome } of SERIES) {
          const count = this.counts.get(`${cause} ${outcome}`) ?? 0;
          result.observe(count, { cause, guard: GUARD_OF_CAUSE[cause], outcome });
        }
      });
  }

  record(refusal: Refusal): void {
    const { cause, status } = refusal;
    const series = `${cause} ${status === 200 ? 'observed' : 'refused'}`;
    this.counts.set(series, (this.counts.get(series) ?? 0) + 1);
    this.log(refusal);
    const at = new Date();
    const { full, sealed } = this.budget.spend(refusal, performance.now() / 1000);
    if (!full || !this.writer.hasRoom) return this.writer.count(refusal, at);
    const keep = sealed && refusal.bodyComplete && this.keys.areGiven;
    this.writer.add({
      entry: { at, kind: status === 200 ? 'observed' : 'refused', data: dataOf(refusal) },
      ...(keep ? { sealed: seal(this.keys.current, refusal.original) } : {}),
    });
  }

  private log({ cause, guard, status, verdicts, clientAddress, requestId }: Refusal): void {
    const minute = Math.floor(performance.now() / 60_000);
    const recent = this.recent.get(cause);
    const lines = recent?.minute === minute ? recent.lines + 1 : 1;
    this.recent.set(cause, { minute, lines });
    if (lines > LINES_PER_MINUTE) return;
    this.logger.warn({
      msg: status === 200 ? 'a callback would have been refused' : 'a callback was refused',
      cause,
      guard,
      status,
      clientAddress: printable(clientAddress, 100),
      requestId,
      verdicts: Object.fromEntries(GUARDS.map((name) => [name, verdicts[name].result])),
      ...(lines === LINES_PER_MINUTE
        ? { note: 'further ones of this minute are in the audit' }
        : {}),
    });
  }
}

function dataOf(refusal: Refusal): Record<string, unknown> {
  const { guard, cause, status, requestId, verdicts, bodyComplete, jobId } = refusal;
  const shown = (text: string | null, limit: number): string | null =>
    text === null ? null : printable(text, limit);
  return {
    guard,
    cause,
    status,
    requestId,
    verdicts,
    jobId,
    peerAddress: printable(refusal.peerAddress, 100),
    clientAddress: printable(refusal.clientAddress, 100),
    forwardedFor: shown(refusal.forwardedFor, 500),
    claimedJobId: shown(refusal.claimedJobId, 64),
    claimedUpstreamId: shown(refusal.claimedUpstreamId, 128),
    bodyComplete,
    ...shownRequest(refusal.original, refusal.path),
  };
}
