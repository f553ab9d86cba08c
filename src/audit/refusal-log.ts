import { Injectable, Logger } from '@nestjs/common';
import type { Refusal, RefusalCause } from './refusal.js';

/** Lines per cause and minute; the rest is only counted, so that a flood does not fill the disk. */
const LINES_PER_MINUTE = 30;

/** Logs and counts refused callbacks. */
@Injectable()
export class RefusalLog {
  private readonly logger = new Logger(RefusalLog.name);
  private readonly totals = new Map<RefusalCause, number>();
  private readonly recent = new Map<RefusalCause, { minute: number; lines: number }>();

  record(refusal: Refusal): void {
    const total = (this.totals.get(refusal.cause) ?? 0) + 1;
    this.totals.set(refusal.cause, total);
    const lines = this.linesThisMinute(refusal.cause);
    if (lines > LINES_PER_MINUTE) return;
    const { verdicts, ...rest } = refusal;
    this.logger.warn({
      msg: refusal.status === 200 ? 'a callback would have been refused' : 'a callback was refused',
      ...rest,
      verdicts: Object.fromEntries(
        Object.entries(verdicts).map(([guard, { result }]) => [guard, result]),
      ),
      total,
      ...(lines === LINES_PER_MINUTE
        ? { note: 'further ones of this minute are only counted' }
        : {}),
    });
  }

  /** How many of each cause since the start of this process. */
  counts(): ReadonlyMap<RefusalCause, number> {
    return this.totals;
  }

  private linesThisMinute(cause: RefusalCause): number {
    const minute = Math.floor(performance.now() / 60_000);
    const recent = this.recent.get(cause);
    const lines = recent?.minute === minute ? recent.lines + 1 : 1;
    this.recent.set(cause, { minute, lines });
    return lines;
  }
}
