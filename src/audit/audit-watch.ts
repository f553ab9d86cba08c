import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { Metrics } from '../platform/metrics/metrics.js';
import { IntervalScheduler } from '../platform/schedule/interval-scheduler.js';
import { AuditAlarm } from './audit-alarm.js';
import { AuditLog } from './audit-log.js';
import { AuditVerifier } from './audit-verifier.js';

const CHECK_SECONDS = 15;
const HEAD_LINE_SECONDS = 600;
const VERIFY_SECONDS = 3600;

/**
 * Watches the audit in every process: compares its end with what the process remembers, verifies the whole
 * chain once an hour, and writes its head to the log. A head line that was kept elsewhere tells later
 * whether the database was put back to an earlier state while no process ran.
 */
@Injectable()
export class AuditWatch implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(AuditWatch.name);

  constructor(
    private readonly audit: AuditLog,
    private readonly verifier: AuditVerifier,
    private readonly alarm: AuditAlarm,
    private readonly scheduler: IntervalScheduler,
    { meter }: Metrics,
  ) {
    meter
      .createObservableCounter('gateway_audit_tampering', {
        description: 'How often this process found the audit not to be as it was written',
      })
      .addCallback((result) => result.observe(alarm.count));
  }

  /** Before anything is written to the database, so that an unused one is recognized. */
  async onModuleInit(): Promise<void> {
    await this.audit.ensureAnchor();
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.audit.checkChain();
    const missing = await this.audit.missingKeys();
    if (missing.length > 0) {
      this.logger.warn({
        msg: 'AUDIT_KEYS lacks keys that the audit was written with: it cannot be verified as a whole',
        keys: missing,
      });
    }
    await this.logHead();
    this.scheduler.every(CHECK_SECONDS, 'audit check', () => this.audit.checkChain());
    this.scheduler.every(HEAD_LINE_SECONDS, 'audit head', () => this.logHead());
    this.scheduler.every(VERIFY_SECONDS, 'audit verification', () => this.verify());
  }

  async onApplicationShutdown(): Promise<void> {
    try {
      await this.logHead();
    } catch (error) {
      this.logger.warn({ msg: 'the head of the audit cannot be read', err: error });
    }
  }

  async verify(): Promise<void> {
    const { state, reason, firstBroken } = await this.verifier.verify();
    if (state === 'changed') this.alarm.raise(reason ?? '', { entry: firstBroken });
  }

  private async logHead(): Promise<void> {
    const head = await this.audit.readHead();
    if (head !== undefined) this.logger.log({ msg: 'audit head', head });
  }
}
