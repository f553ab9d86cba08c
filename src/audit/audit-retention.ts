import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { Duties } from '../platform/schedule/duties.js';
import { AuditLog } from './audit-log.js';

const INTERVAL_SECONDS = 600;
/** Small, so that nobody who writes to the audit waits long. */
const STEP = 1000;

/**
 * Lets go of what is older than its time. It also writes the end of the chain to the log: whoever keeps
 * logs elsewhere can tell whether a database was put back to an older state.
 */
@Injectable()
export class AuditRetention implements OnApplicationBootstrap {
  private readonly logger = new Logger(AuditRetention.name);

  constructor(
    private readonly settings: Settings,
    private readonly duties: Duties,
    private readonly audit: AuditLog,
  ) {}

  onApplicationBootstrap(): void {
    this.duties.every(INTERVAL_SECONDS, 'audit retention', () => this.sweep());
  }

  /** One pass; returns how many entries and originals went. */
  async sweep(): Promise<{ entries: number; originals: number }> {
    const { AUDIT_RETENTION_DAYS: days, AUDIT_ORIGINALS_HOURS: hours } = this.settings;
    const originals = await inSteps(() => this.audit.forgetOriginals(hours, STEP));
    const entries = await inSteps(() => this.audit.retire(days, STEP));
    const end = await this.audit.end();
    if (end !== undefined) this.logger.log({ msg: 'the audit ends here', ...end });
    return { entries, originals };
  }
}

async function inSteps(step: () => Promise<number>): Promise<number> {
  let total = 0;
  for (;;) {
    const gone = await step();
    total += gone;
    if (gone < STEP) return total;
  }
}
