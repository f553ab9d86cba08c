import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditAlarm } from '../audit/audit-alarm.js';
import { AwaitingCallbackService } from '../jobs/awaiting-callback.service.js';
import { Settings } from '../platform/config/settings.js';
import { IntervalScheduler } from '../platform/schedule/interval-scheduler.js';
import { AlertMetrics } from './alert.metrics.js';
import { RefusalRechecker } from '../webhooks/refusal-judge.js';
import { MISCONFIGURATIONS, onlyInforms, type Misconfiguration } from './alert-kinds.js';
import { AlertWebhook } from './alert-webhook.js';
import { AlertsStore, type Alert } from './alerts.store.js';
import { detect, evidenceFor, suspects } from './detect.js';
import { DetectionInputReader } from './detection-input.reader.js';
import type { DetectionInput } from './detection-input.js';
import { currentAdvice, tamperingWords } from './alert-messages.js';

/** What a pass did: alerts, and jobs that were hurried. */
export interface AlertCounts {
  readonly raised: number;
  readonly closed: number;
  readonly expedited: number;
}

/**
 * Notices that genuine callbacks are refused, says what is probably wrong, and has the jobs polled. Raises an alert
 * too where this process has found that the audit was tampered with.
 */
@Injectable()
export class AlertsService implements OnApplicationBootstrap {
  private readonly logger = new Logger(AlertsService.name);
  private readonly startedAt = new Date();

  constructor(
    private readonly settings: Settings,
    private readonly scheduler: IntervalScheduler,
    private readonly reader: DetectionInputReader,
    private readonly store: AlertsStore,
    private readonly awaitingCallback: AwaitingCallbackService,
    private readonly webhook: AlertWebhook,
    private readonly metrics: AlertMetrics,
    private readonly rechecker: RefusalRechecker,
    private readonly alarm: AuditAlarm,
  ) {}

  onApplicationBootstrap(): void {
    this.scheduler.every(
      this.settings.ALERT_INTERVAL_SECONDS,
      'alerts',
      () => this.sweep(),
      () => this.metrics.recordFailure(),
    );
  }

  /** One bounded pass; what the webhook takes is not waited for. */
  async sweep(): Promise<AlertCounts> {
    const tampering = await this.raiseTampering();
    const situation = await this.reader.readInput();
    const raised = tampering + (await this.raise(situation));
    const closed = await this.close(situation);
    await this.judgeOpen((await this.store.standing()).open, situation);
    const hurried = await this.expeditePolls(situation);
    this.webhook.begin();
    return { raised, closed, expedited: hurried };
  }

  private async raise(detectionInput: DetectionInput): Promise<number> {
    let count = 0;
    for (const finding of detect(detectionInput)) {
      const alert = await this.store.raiseAlert(finding);
      if (alert === undefined) continue;
      count += 1;
      this.announce(alert);
    }
    return count;
  }

  private async raiseTampering(): Promise<number> {
    const findings = this.alarm.takeFindings();
    let count = 0;
    try {
      for (const { reason, entry } of findings) {
        const { message, advice } = tamperingWords(reason, entry);
        const place = entry === undefined ? reason : `entry ${entry}`;
        const alert = await this.store.seeTampering(place, message, advice);
        if (alert === undefined) continue;
        count += 1;
        this.announce(alert);
      }
    } catch (error) {
      this.alarm.keepFindings(findings);
      throw error;
    }
    return count;
  }

  private announce({ kind, message, advice, evidence }: Alert): void {
    this.metrics.recordRaised(kind);
    const level = onlyInforms(kind) ? 'warn' : 'error';
    this.logger[level]({ msg: 'alert raised', kind, message, advice, evidence });
  }

  /** Follows the settings: whether what was refused would be accepted today. */
  private async judgeOpen(
    open: ReadonlySet<string>,
    detectionInput: DetectionInput,
  ): Promise<void> {
    for (const kind of MISCONFIGURATIONS.filter((each) => open.has(each))) {
      const verdict = await this.verdictOn(kind, detectionInput);
      if (verdict === 'unknown') continue;
      if (verdict === 'fixed') {
        const alert = await this.store.markFixed(kind);
        if (alert === undefined) continue;
        this.logger.log({ msg: 'alert seems fixed', kind, advice: currentAdvice(alert) });
      } else {
        const alert = await this.store.markFailing(kind);
        if (alert === undefined) continue;
        const { message, advice, evidence } = alert;
        this.logger.error({ msg: 'alert is not fixed', kind, message, advice, evidence });
      }
    }
  }

  private async verdictOn(
    kind: Misconfiguration,
    detectionInput: DetectionInput,
  ): Promise<'fixed' | 'failing' | 'unknown'> {
    const evidence = evidenceFor(kind, detectionInput);
    const [newest] = evidence;
    if (newest === undefined) return 'unknown';
    // These settings were in force already: another process refuses with others.
    if (newest.at.getTime() >= this.startedAt.getTime()) return 'failing';
    const ids = [...new Set(evidence.map(({ entryId }) => entryId))];
    const judged = await this.rechecker.recheckRefusals({ ids }, ids.length);
    const { wouldPass, stillRefused, keyMissing, unreadable } = judged;
    if (stillRefused + keyMissing + unreadable > 0) return 'failing';
    return wouldPass > 0 ? 'fixed' : 'unknown';
  }

  private async close({ accepted }: DetectionInput): Promise<number> {
    const closed = await this.store.closeAlert(accepted.lastAt);
    for (const alert of closed) {
      this.logger.log({ msg: 'alert closed', kind: alert.kind, openSeconds: openSeconds(alert) });
    }
    return closed.length;
  }

  /**
   * While an alert is open, all waiting jobs, once a minute: their callbacks will not help them. In between
   * and before it the few whose callbacks were just refused: whether they have ended also tells whether
   * those were genuine.
   */
  private async expeditePolls(detectionInput: DetectionInput): Promise<number> {
    if (await this.store.acquireExpedite()) return this.awaitingCallback.expeditePolls('all');
    const ids = suspects(detectionInput);
    return ids.length === 0 ? 0 : this.awaitingCallback.expeditePolls(ids);
  }
}

function openSeconds({ openedAt, closedAt }: Alert): number {
  return Math.round(((closedAt ?? openedAt).getTime() - openedAt.getTime()) / 1000);
}
