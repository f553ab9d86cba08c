import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditAlarm } from '../audit/audit-alarm.js';
import { AwaitingCallbackService } from '../jobs/awaiting-callback.service.js';
import { DeliveriesAdminService, type Unhealthy } from '../deliveries/deliveries-admin.service.js';
import { ApiKeyStatus } from '../reducto/api-key-status.js';
import { Settings } from '../platform/config/settings.js';
import { IntervalScheduler } from '../platform/schedule/interval-scheduler.js';
import { AlertMetrics } from './alert.metrics.js';
import { RefusalRechecker } from '../webhooks/refusal-rechecker.js';
import {
  ENDPOINT_KINDS,
  MISCONFIGURATIONS,
  severityOf,
  type EndpointKind,
  type Misconfiguration,
} from './alert-kinds.js';
import { AlertWebhook } from './alert-webhook.js';
import { AlertsStore, type Alert } from './alerts.store.js';
import { detect, evidenceFor, jobsToExpedite } from './detect.js';
import { DetectionInputReader } from './detection-input.reader.js';
import type { DetectionInput } from './detection-input.js';
import {
  currentAdvice,
  describeEndpoints,
  describeRefusedKey,
  describeTampering,
  servicesOf,
} from './alert-messages.js';

/** The result of a sweep: alerts, and jobs whose poll was expedited. */
export interface AlertCounts {
  readonly raised: number;
  readonly closed: number;
  readonly expedited: number;
}

/**
 * Detects that the gateway refuses genuine callbacks, raises an alert with the probable reason, and expedites polls of
 * the jobs. Also raises an alert if this process found that the audit was tampered with, or that Reducto refuses the
 * API key, and while endpoints need attention.
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
    private readonly apiKey: ApiKeyStatus,
    private readonly deliveries: DeliveriesAdminService,
  ) {}

  onApplicationBootstrap(): void {
    this.scheduler.every(
      this.settings.ALERT_INTERVAL_SECONDS,
      'alerts',
      () => this.sweep(),
      () => this.metrics.recordFailure(),
    );
  }

  /** Does not wait for the alert webhook. */
  async sweep(): Promise<AlertCounts> {
    const ofState =
      (await this.raiseTampering()) +
      (await this.raiseRefusedKey()) +
      (await this.raiseEndpointAlerts());
    const input = await this.reader.readInput();
    const raised = ofState + (await this.raiseAlerts(input));
    const closed = await this.closeAlerts(input);
    await this.recheckOpen((await this.store.readKinds()).open, input);
    const expedited = await this.expeditePolls(input);
    this.webhook.sendDueAlerts();
    return { raised, closed, expedited };
  }

  private async raiseAlerts(detectionInput: DetectionInput): Promise<number> {
    let count = 0;
    for (const finding of detect(detectionInput)) {
      const alert = await this.store.raiseAlert(finding);
      if (alert === undefined) continue;
      count += 1;
      this.report(alert);
    }
    return count;
  }

  private async raiseTampering(): Promise<number> {
    const findings = this.alarm.drainFindings();
    let count = 0;
    try {
      for (const { reason, entry } of findings) {
        const { message, advice } = describeTampering(reason, entry);
        const place = entry === undefined ? reason : `entry ${entry}`;
        const alert = await this.store.raiseTampering(place, message, advice);
        if (alert === undefined) continue;
        count += 1;
        this.report(alert);
      }
    } catch (error) {
      this.alarm.restoreFindings(findings);
      throw error;
    }
    return count;
  }

  private async raiseRefusedKey(): Promise<number> {
    const status = this.apiKey.refusedWith;
    if (status === undefined) return 0;
    const evidence = { status };
    const lastSeenAt = new Date();
    const finding = {
      kind: 'api_key',
      ...describeRefusedKey(status),
      evidence,
      lastSeenAt,
    } as const;
    const alert = await this.store.raiseAlert(finding);
    if (alert === undefined) return 0;
    this.report(alert);
    return 1;
  }

  private async raiseEndpointAlerts(): Promise<number> {
    let count = 0;
    for (const kind of ENDPOINT_KINDS) {
      const found = await this.deliveries.findUnhealthy(UNHEALTHY[kind]);
      if (found.count === 0) continue;
      const alert = await this.store.raiseEndpoints({
        kind,
        ...describeEndpoints(kind, found),
        evidence: {
          services: servicesOf(found),
          endpoints: found.endpoints.map(({ id }) => id),
        },
      });
      if (alert === undefined) continue;
      count += 1;
      this.report(alert);
    }
    return count;
  }

  private report({ kind, message, advice, evidence }: Alert): void {
    this.metrics.recordRaised(kind);
    const level = severityOf(kind) === 'critical' ? 'error' : 'warn';
    this.logger[level]({ msg: 'alert raised', kind, message, advice, evidence });
  }

  /** Checks whether the current settings would accept the refused callbacks. */
  private async recheckOpen(
    open: ReadonlySet<string>,
    detectionInput: DetectionInput,
  ): Promise<void> {
    for (const kind of MISCONFIGURATIONS.filter((each) => open.has(each))) {
      const verdict = await this.recheckKind(kind, detectionInput);
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

  private async recheckKind(
    kind: Misconfiguration,
    detectionInput: DetectionInput,
  ): Promise<'fixed' | 'failing' | 'unknown'> {
    const evidence = evidenceFor(kind, detectionInput);
    const [newest] = evidence;
    if (newest === undefined) return 'unknown';
    // This process already had its settings, so another process refuses with different ones.
    if (newest.at.getTime() >= this.startedAt.getTime()) return 'failing';
    const ids = [...new Set(evidence.map(({ entryId }) => entryId))];
    const judged = await this.rechecker.recheckRefusals({ ids }, ids.length);
    const { wouldPass, stillRefused, keyMissing, unreadable } = judged;
    if (stillRefused + keyMissing + unreadable > 0) return 'failing';
    return wouldPass > 0 ? 'fixed' : 'unknown';
  }

  private async closeAlerts({ accepted }: DetectionInput): Promise<number> {
    const closed = await this.store.closeAlerts(accepted.lastAt);
    for (const alert of closed) {
      this.logger.log({ msg: 'alert closed', kind: alert.kind, openSeconds: openSeconds(alert) });
    }
    return closed.length;
  }

  /**
   * While an alert is open, expedites polls of all waiting jobs once a minute. Otherwise only of the jobs whose
   * callbacks were just refused: whether they have ended shows whether the callbacks were genuine.
   */
  private async expeditePolls(detectionInput: DetectionInput): Promise<number> {
    if (await this.store.acquireExpedite()) return this.awaitingCallback.expeditePolls('all');
    const ids = jobsToExpedite(detectionInput);
    return ids.length === 0 ? 0 : this.awaitingCallback.expeditePolls(ids);
  }
}

function openSeconds({ openedAt, closedAt }: Alert): number {
  return Math.round(((closedAt ?? openedAt).getTime() - openedAt.getTime()) / 1000);
}

const UNHEALTHY: Readonly<Record<EndpointKind, Unhealthy>> = {
  endpoint_failing: 'failing',
  endpoint_disabled: 'disabled',
  deliveries_overdue: 'overdue',
};
