import { Injectable } from '@nestjs/common';
import type { Counter } from '@opentelemetry/api';
import { Metrics } from '../platform/metrics/metrics.js';
import { ALERT_KINDS, type AlertKind } from './alert-kinds.js';
import { AlertQueries } from './alert-queries.js';

/** Metrics of alerts. */
@Injectable()
export class AlertMetrics {
  private readonly raisedAlerts: Counter;
  private readonly failures: Counter;

  constructor(metrics: Metrics, queries: AlertQueries) {
    this.raisedAlerts = metrics.counter(
      'gateway_alerts_raised',
      'Alerts that this process raised, by kind',
      ALERT_KINDS.map((kind) => ({ kind })),
    );
    this.failures = metrics.counter(
      'gateway_alert_detection_failures',
      'Failed sweeps of the alert detection',
    );
    metrics.meter
      .createObservableGauge('gateway_alerts_open', {
        description: 'Whether an alert is open, by kind; all processes report the same value',
      })
      .addCallback(async (result) => {
        const open = new Set((await queries.openAlerts()).map(({ kind }) => kind));
        for (const kind of ALERT_KINDS) result.observe(open.has(kind) ? 1 : 0, { kind });
      });
  }

  recordRaised(kind: AlertKind): void {
    this.raisedAlerts.add(1, { kind });
  }

  recordFailure(): void {
    this.failures.add(1);
  }
}
