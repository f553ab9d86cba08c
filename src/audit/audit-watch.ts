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
 * Watches the audit in every process: compares its end with the remembered head, verifies the whole chain once an hour,
 * and logs the head. The logged head shows later whether the database was restored to an earlier state.
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
        description: 'How often this process found that the audit was tampered with',
      })
      .addCallback((result) => result.observe(alarm.count));
  }

  /** Runs before any write, so that an unused database is recognized. */
  async onModuleInit(): Promise<void> {
    await this.audit.ensureAnchor();
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.audit.checkChain();
    const missing = await this.audit.missingKeys();
    if (missing.length > 0) {
      this.logger.warn({
        msg: 'AUDIT_KEYS lacks keys that signed audit entries: the whole audit cannot be verified',
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
      this.logger.warn({ msg: 'the audit head cannot be read', err: error });
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
