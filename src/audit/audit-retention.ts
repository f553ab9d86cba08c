import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { DeletedRows } from '../platform/metrics/removed-rows.js';
import { IntervalScheduler } from '../platform/schedule/interval-scheduler.js';
import { inSteps } from '../platform/schedule/steps.js';
import { AuditLog } from './audit-log.js';

const INTERVAL_SECONDS = 600;
/** Small, because a deletion blocks appends. */
const MAX_PER_DELETION = 1000;

/** Deletes audit entries and raw requests after their retention. */
@Injectable()
export class AuditRetention implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly stop = new AbortController();

  constructor(
    private readonly settings: Settings,
    private readonly scheduler: IntervalScheduler,
    private readonly audit: AuditLog,
    private readonly deletedRows: DeletedRows,
  ) {}

  onApplicationBootstrap(): void {
    this.scheduler.every(INTERVAL_SECONDS, 'audit retention', () => this.sweep());
  }

  onModuleDestroy(): void {
    this.stop.abort();
  }

  /** Returns the number of deleted entries and raw requests. */
  async sweep(): Promise<{ entries: number; rawRequests: number }> {
    const { AUDIT_RETENTION_DAYS: days, AUDIT_RAW_REQUEST_HOURS: hours } = this.settings;
    const rawRequests = await inSteps(MAX_PER_DELETION, this.stop.signal, () =>
      this.audit.deleteRawRequests(hours, MAX_PER_DELETION),
    );
    const entries = await inSteps(MAX_PER_DELETION, this.stop.signal, () =>
      this.audit.deleteOldEntries(days, MAX_PER_DELETION),
    );
    this.deletedRows.add('audit_entry', entries);
    return { entries, rawRequests };
  }
}
