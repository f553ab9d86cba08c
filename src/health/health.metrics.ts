import { Injectable } from '@nestjs/common';
import { Metrics } from '../platform/metrics/metrics.js';
import { Readiness } from './readiness.js';

/** Metrics of `/health/ready`. */
@Injectable()
export class HealthMetrics {
  constructor({ meter }: Metrics, readiness: Readiness) {
    meter
      .createObservableGauge('gateway_ready', {
        description: 'Whether the process is ready, by check; 1 is up',
      })
      .addCallback(async (result) => {
        const { checks } = await readiness.report();
        for (const [check, state] of Object.entries(checks)) {
          result.observe(state === 'up' ? 1 : 0, { check });
        }
      });
  }
}
