import { Injectable, Logger } from '@nestjs/common';

/** Says, once per finding, that the audit is not as it was written. */
@Injectable()
export class AuditAlarm {
  private readonly logger = new Logger(AuditAlarm.name);
  private raised = 0;

  get count(): number {
    return this.raised;
  }

  raise(reason: string, detail: Readonly<Record<string, unknown>> = {}): void {
    this.raised += 1;
    this.logger.error({
      msg: 'the audit has been tampered with',
      reason,
      ...detail,
      advice: 'run "gateway audit verify --since <a head line from the log>"; see docs/audit.md',
    });
  }
}
