import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditAlarm } from '../audit/audit-alarm.js';
import { WaitingJobs } from '../jobs/waiting-jobs.js';
import { Settings } from '../platform/config/settings.js';
import { Duties } from '../platform/schedule/duties.js';
import { AlertFigures } from './alert-figures.js';
import { RefusalJudge } from '../webhooks/refusal-judge.js';
import { MISCONFIGURATIONS, onlyInforms, type Misconfiguration } from './alert-kinds.js';
import { AlertWebhook } from './alert-webhook.js';
import { AlertsStore, type Alert } from './alerts.store.js';
import { detect, evidenceFor, suspects } from './detect.js';
import { SituationReader } from './situation-reader.js';
import type { Situation } from './situation.js';
import { currentAdvice, tamperingWords } from './wording.js';

/** What a pass did: alerts, and jobs that were hurried. */
export interface AlertCounts {
  readonly raised: number;
  readonly closed: number;
  readonly hurried: number;
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
    private readonly duties: Duties,
    private readonly reader: SituationReader,
    private readonly store: AlertsStore,
    private readonly jobs: WaitingJobs,
    private readonly webhook: AlertWebhook,
    private readonly figures: AlertFigures,
    private readonly judge: RefusalJudge,
    private readonly alarm: AuditAlarm,
  ) {}

  onApplicationBootstrap(): void {
    this.duties.every(
      this.settings.ALERT_INTERVAL_SECONDS,
      'alerts',
      () => this.sweep(),
      () => this.figures.failed(),
    );
  }

  /** One bounded pass; what the webhook takes is not waited for. */
  async sweep(): Promise<AlertCounts> {
    const tampering = await this.raiseTampering();
    const situation = await this.reader.read();
    const raised = tampering + (await this.raise(situation));
    const closed = await this.close(situation);
    await this.judgeOpen((await this.store.standing()).open, situation);
    const hurried = await this.hurry(situation);
    this.webhook.begin();
    return { raised, closed, hurried };
  }

  private async raise(situation: Situation): Promise<number> {
    let count = 0;
    for (const finding of detect(situation)) {
      const alert = await this.store.see(finding);
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

  private announce({ kind, message, advice, figures }: Alert): void {
    this.figures.raised(kind);
    const level = onlyInforms(kind) ? 'warn' : 'error';
    this.logger[level]({ msg: 'alert raised', kind, message, advice, figures });
  }

  /** Follows the settings: whether what was refused would be accepted today. */
  private async judgeOpen(open: ReadonlySet<string>, situation: Situation): Promise<void> {
    for (const kind of MISCONFIGURATIONS.filter((each) => open.has(each))) {
      const verdict = await this.verdictOn(kind, situation);
      if (verdict === 'unknown') continue;
      if (verdict === 'fixed') {
        const alert = await this.store.markFixed(kind);
        if (alert === undefined) continue;
        this.logger.log({ msg: 'alert seems fixed', kind, advice: currentAdvice(alert) });
      } else {
        const alert = await this.store.markFailing(kind);
        if (alert === undefined) continue;
        const { message, advice, figures } = alert;
        this.logger.error({ msg: 'alert is not fixed', kind, message, advice, figures });
      }
    }
  }

  private async verdictOn(
    kind: Misconfiguration,
    situation: Situation,
  ): Promise<'fixed' | 'failing' | 'unknown'> {
    const evidence = evidenceFor(kind, situation);
    const [newest] = evidence;
    if (newest === undefined) return 'unknown';
    // These settings were in force already: another process refuses with others.
    if (newest.at.getTime() >= this.startedAt.getTime()) return 'failing';
    const ids = [...new Set(evidence.map(({ entryId }) => entryId))];
    const judged = await this.judge.judge({ ids }, ids.length);
    const { wouldPass, stillRefused, keyMissing, unreadable } = judged;
    if (stillRefused + keyMissing + unreadable > 0) return 'failing';
    return wouldPass > 0 ? 'fixed' : 'unknown';
  }

  private async close({ accepted }: Situation): Promise<number> {
    const closed = await this.store.close(accepted.lastAt);
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
  private async hurry(situation: Situation): Promise<number> {
    if (await this.store.takeHurry()) return this.jobs.hurry('all');
    const ids = suspects(situation);
    return ids.length === 0 ? 0 : this.jobs.hurry(ids);
  }
}

function openSeconds({ openedAt, closedAt }: Alert): number {
  return Math.round(((closedAt ?? openedAt).getTime() - openedAt.getTime()) / 1000);
}
