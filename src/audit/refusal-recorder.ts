import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { Metrics } from '../platform/metrics/metrics.js';
import { AuditKeys } from './audit-keys.js';
import { AuditWriter } from './audit-writer.js';
import { boundTo, encryptRawRequest } from './raw-request.js';
import { printableFields, shownRequest } from './redacted-request.js';
import { RefusalBudget } from './refusals/refusal-budget.js';
import {
  GUARD_OF_CAUSE,
  GUARDS,
  REFUSAL_CAUSES,
  type CountedRefusal,
  type Outcome,
  type Refusal,
} from './refusal.js';

/** Maximum log lines per cause and minute; the audit has the rest. */
const LINES_PER_MINUTE = 30;

const OUTCOMES = ['refused', 'observed'] as const satisfies readonly Outcome[];

/** The refusals of one cause. */
class OfCause {
  refused = 0;
  observed = 0;
  private minute = -1;
  private lines = 0;

  /** How many lines of the log there are within the minute, with one for this refusal. */
  nextLine(nowSeconds: number): number {
    const minute = Math.floor(nowSeconds / 60);
    if (minute !== this.minute) this.lines = 0;
    this.minute = minute;
    this.lines += 1;
    return this.lines;
  }
}

/** Records refused callbacks in the audit, the metrics, and, up to a limit, the log. Never waits. */
@Injectable()
export class RefusalRecorder {
  private readonly logger = new Logger(RefusalRecorder.name);
  private readonly budget: RefusalBudget;
  /** All series, so that a flood creates none. An OpenTelemetry instrument would cost more than the rest of a refusal. */
  private readonly byCause = new Map(REFUSAL_CAUSES.map((cause) => [cause, new OfCause()]));

  constructor(
    settings: Settings,
    private readonly keys: AuditKeys,
    private readonly writer: AuditWriter,
    { meter }: Metrics,
  ) {
    this.budget = new RefusalBudget({
      perAddress: settings.AUDIT_ENTRIES_PER_MINUTE,
      total: settings.AUDIT_ENTRIES_PER_MINUTE_TOTAL,
      originalBytes: settings.AUDIT_RAW_REQUEST_BYTES_PER_MINUTE,
    });
    meter
      .createObservableCounter('gateway_callbacks_refused', {
        description:
          'Callbacks that a guard refused, or would refuse if it enforced (outcome "observed")',
      })
      .addCallback((result) => {
        for (const [cause, of] of this.byCause) {
          const guard = GUARD_OF_CAUSE[cause];
          for (const outcome of OUTCOMES) result.observe(of[outcome], { cause, guard, outcome });
        }
      });
  }

  /** Counts a refusal. Returns a function that records it in full if the budget allows. */
  recordRefusal(counted: CountedRefusal): ((refusal: Refusal) => void) | undefined {
    const { cause, outcome } = counted;
    const of = this.byCause.get(cause);
    if (of === undefined) return undefined;
    of[outcome] += 1;
    const nowSeconds = performance.now() / 1000;
    const at = new Date();
    const kept = this.writer.hasRoom ? this.budget.spend(counted, nowSeconds) : 'number';
    if (kept === 'number') this.writer.countRefusal(counted, at);
    const line = of.nextLine(nowSeconds);
    if (kept === 'number' && line > LINES_PER_MINUTE) return undefined;

    return (refusal) => {
      if (line <= LINES_PER_MINUTE) this.log(refusal, line);
      if (kept === 'number') return;
      const isSealed = kept === 'original' && refusal.bodyComplete && this.keys.areGiven;
      const sealed = isSealed
        ? encryptRawRequest(this.keys.current, refusal.rawRequest)
        : undefined;
      const data = dataOf(refusal);
      this.writer.enqueueEntry(
        sealed === undefined
          ? { entry: { at, kind: outcome, data } }
          : { entry: { at, kind: outcome, data: { ...data, ...boundTo(sealed) } }, sealed },
      );
    };
  }

  private log(
    { cause, guard, status, verdicts, clientAddress, requestId }: Refusal,
    line: number,
  ): void {
    this.logger.warn({
      msg: status === 200 ? 'a callback would have been refused' : 'a callback was refused',
      cause,
      guard,
      status,
      clientAddress: printableFields(clientAddress, 100),
      requestId,
      verdicts: Object.fromEntries(GUARDS.map((name) => [name, verdicts[name].result])),
      ...(line === LINES_PER_MINUTE
        ? { note: 'further refusals of this minute are only in the audit' }
        : {}),
    });
  }
}

function dataOf(refusal: Refusal): Record<string, unknown> {
  const { guard, cause, status, requestId, verdicts, bodyComplete, jobId } = refusal;
  const shown = (text: string | null, limit: number): string | null =>
    text === null ? null : printableFields(text, limit);
  return {
    guard,
    cause,
    status,
    requestId: printableFields(requestId, 128),
    verdicts,
    jobId,
    peerAddress: printableFields(refusal.peerAddress, 100),
    clientAddress: printableFields(refusal.clientAddress, 100),
    forwardedFor: shown(refusal.forwardedFor, 500),
    assertedJobId: shown(refusal.assertedJobId, 64),
    assertedUpstreamId: shown(refusal.assertedUpstreamId, 128),
    bodyComplete,
    ...shownRequest(refusal.rawRequest, refusal.path),
  };
}
