import { Injectable } from '@nestjs/common';
import type { Counter } from '@opentelemetry/api';
import { Metrics } from '../platform/metrics/metrics.js';
import { ALERT_KINDS, type AlertKind } from './alert-kinds.js';
import { AlertReads } from './alert-reads.js';

/** The alerts, as figures. */
@Injectable()
export class AlertFigures {
  private readonly raisedAlerts: Counter;
  private readonly failures: Counter;

  constructor({ meter }: Metrics, reads: AlertReads) {
    this.raisedAlerts = meter.createCounter('gateway_alerts_raised', {
      description: 'Alerts that this process raised, by kind',
    });
    this.failures = meter.createCounter('gateway_alerts_failed_passes', {
      description: 'Passes of the detector that broke off',
    });
    meter
      .createObservableGauge('gateway_alerts_open', {
        description: 'Whether an alert is open, by kind; the same in all processes',
      })
      .addCallback(async (result) => {
        const open = new Set((await reads.openAlerts()).map(({ kind }) => kind));
        for (const kind of ALERT_KINDS) result.observe(open.has(kind) ? 1 : 0, { kind });
      });
  }

  raised(kind: AlertKind): void {
    this.raisedAlerts.add(1, { kind });
  }

  failed(): void {
    this.failures.add(1);
  }
}
