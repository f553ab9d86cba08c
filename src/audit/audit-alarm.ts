import { Injectable, Logger } from '@nestjs/common';

export interface AuditFinding {
  readonly reason: string;
  /** The changed entry, or the one that recorded the tampering; `undefined` if no entry is affected. */
  readonly entry: string | undefined;
}

/** A process without the role `worker` raises no alerts, so findings may stay here. */
const MAX_FINDINGS = 20;

/** Reports tampering with the audit, once per finding. */
@Injectable()
export class AuditAlarm {
  private readonly logger = new Logger(AuditAlarm.name);
  private raised = 0;
  private findings: AuditFinding[] = [];

  get count(): number {
    return this.raised;
  }

  /** The latest findings since the last call. */
  drainFindings(): AuditFinding[] {
    return this.findings.splice(0);
  }

  /** Puts back findings of `drainFindings` that could not be handled. */
  restoreFindings(findings: readonly AuditFinding[]): void {
    this.findings = [...findings, ...this.findings].slice(-MAX_FINDINGS);
  }

  raise(reason: string, detail: { entry?: string | null; recorded?: false } = {}): void {
    this.raised += 1;
    const finding = { reason, entry: detail.entry ?? undefined };
    this.findings = [...this.findings, finding].slice(-MAX_FINDINGS);
    this.logger.error({
      msg: 'the audit has been tampered with',
      reason,
      ...detail,
      advice: 'run "gateway audit verify --since <a head line from the log>"; see docs/audit.md',
    });
  }
}
