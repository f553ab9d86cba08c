import { Injectable, Logger } from '@nestjs/common';

export interface AuditFinding {
  readonly reason: string;
  /** The entry that is not right, or that recorded what was found; `undefined` where no entry is to blame. */
  readonly entry: string | undefined;
}

/** Nobody may take them: a process without the role `worker` raises no alerts. */
const MAX_FINDINGS = 20;

/** Says, once per finding, that the audit is not as it was written. */
@Injectable()
export class AuditAlarm {
  private readonly logger = new Logger(AuditAlarm.name);
  private raised = 0;
  private findings: AuditFinding[] = [];

  get count(): number {
    return this.raised;
  }

  /** What was found since the last call, or the last of it. */
  takeFindings(): AuditFinding[] {
    return this.findings.splice(0);
  }

  /** Puts back what `takeFindings` returned. */
  keepFindings(findings: readonly AuditFinding[]): void {
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
