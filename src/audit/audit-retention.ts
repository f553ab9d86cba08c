import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { RemovedRows } from '../platform/metrics/removed-rows.js';
import { Duties } from '../platform/schedule/duties.js';
import { inSteps } from '../platform/schedule/steps.js';
import { AuditLog } from './audit-log.js';

const INTERVAL_SECONDS = 600;
/** Small, so that nobody who writes to the audit waits long. */
const STEP = 1000;

/**
 * Lets go of what is older than its time. It also writes the end of the chain to the log: whoever keeps
 * logs elsewhere can tell whether a database was put back to an older state.
 */
@Injectable()
export class AuditRetention implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(AuditRetention.name);
  private readonly stop = new AbortController();

  constructor(
    private readonly settings: Settings,
    private readonly duties: Duties,
    private readonly audit: AuditLog,
    private readonly removed: RemovedRows,
  ) {}

  onApplicationBootstrap(): void {
    this.duties.every(INTERVAL_SECONDS, 'audit retention', () => this.sweep());
  }

  onModuleDestroy(): void {
    this.stop.abort();
  }

  /** One pass; returns how many entries and originals went. */
  async sweep(): Promise<{ entries: number; originals: number }> {
    const { AUDIT_RETENTION_DAYS: days, AUDIT_ORIGINALS_HOURS: hours } = this.settings;
    const originals = await inSteps(STEP, this.stop.signal, () =>
      this.audit.forgetOriginals(hours, STEP),
    );
    const entries = await inSteps(STEP, this.stop.signal, () => this.audit.retire(days, STEP));
    this.removed.add('audit_entry', entries);
    const end = await this.audit.end();
    if (end !== undefined) this.logger.log({ msg: 'the audit ends here', ...end });
    return { entries, originals };
  }
}
