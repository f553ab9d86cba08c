import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { Metrics } from '../platform/metrics/metrics.js';
import { AuditKeys } from './audit-keys.js';
import { AuditWriter } from './audit-writer.js';
import { bindingOf, encryptRawRequest } from './raw-request.js';
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

/** Counters of one cause. */
class CauseCounters {
  refused = 0;
  observed = 0;
  private minute = -1;
  private lines = 0;

  /** Number of this refusal's log line within the minute. */
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
  /** Every series exists from the start, so that Prometheus sees the first increase. */
  private readonly byCause = new Map(REFUSAL_CAUSES.map((cause) => [cause, new CauseCounters()]));

  constructor(
    settings: Settings,
    private readonly keys: AuditKeys,
    private readonly writer: AuditWriter,
    { meter }: Metrics,
  ) {
    this.budget = new RefusalBudget({
      perAddress: settings.AUDIT_ENTRIES_PER_MINUTE,
      total: settings.AUDIT_ENTRIES_PER_MINUTE_TOTAL,
      rawRequestBytes: settings.AUDIT_RAW_REQUEST_BYTES_PER_MINUTE,
    });
    meter
      .createObservableCounter('gateway_callbacks_refused', {
        description:
          'Callbacks that a guard refused, or would refuse if it enforced (outcome "observed")',
      })
      .addCallback((result) => {
        for (const [cause, counters] of this.byCause) {
          const guard = GUARD_OF_CAUSE[cause];
          for (const outcome of OUTCOMES)
            result.observe(counters[outcome], { cause, guard, outcome });
        }
      });
  }

  /** Counts a refusal. Returns a function that records it in full if the budget allows. */
  recordRefusal(counted: CountedRefusal): ((refusal: Refusal) => void) | undefined {
    const { cause, outcome } = counted;
    const counters = this.byCause.get(cause);
    if (counters === undefined) return undefined;
    counters[outcome] += 1;
    const nowSeconds = performance.now() / 1000;
    const at = new Date();
    const decision = this.writer.hasRoom ? this.budget.spend(counted, nowSeconds) : 'count';
    if (decision === 'count') this.writer.countRefusal(counted, at);
    const line = counters.nextLine(nowSeconds);
    if (decision === 'count' && line > LINES_PER_MINUTE) return undefined;

    return (refusal) => {
      if (line <= LINES_PER_MINUTE) this.log(refusal, line);
      if (decision === 'count') return;
      const isRawStored =
        decision === 'entry_with_raw' && refusal.bodyComplete && this.keys.areGiven;
      const data = toEntryData(refusal);
      if (!isRawStored) {
        this.writer.enqueueEntry({ entry: { at, kind: outcome, data } });
        return;
      }
      const rawRequest = encryptRawRequest(this.keys.current, refusal.rawRequest);
      const bound = { ...data, ...bindingOf(rawRequest) };
      this.writer.enqueueEntry({ entry: { at, kind: outcome, data: bound }, rawRequest });
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

function toEntryData(refusal: Refusal): Record<string, unknown> {
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
