import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from '@opentelemetry/api';
import { Metrics, SECONDS } from '../platform/metrics/metrics.js';
import type { SweepCounts } from './sweep.js';

/** Steps of a sweep, as in `SweepCounts`. */
const STEPS = ['polls', 'bulkChecked', 'expired'] as const satisfies readonly (keyof SweepCounts)[];

/** Metrics of the reconciler. */
@Injectable()
export class ReconcilerMetrics {
  private readonly jobs: Counter;
  private readonly listingCalls: Counter;
  private readonly seconds: Histogram;
  private readonly failures: Counter;

  private lastSweepAt = Date.now();

  constructor(metrics: Metrics) {
    const { meter } = metrics;
    this.jobs = metrics.counter(
      'gateway_reconciler_jobs',
      'Due jobs that the reconciler handled, by step',
      STEPS.map((step) => ({ step })),
    );
    this.listingCalls = metrics.counter(
      'gateway_reconciler_listing_calls',
      'Pages of Reducto’s listing that bulk status checks read',
    );
    this.seconds = meter.createHistogram('gateway_reconciler_sweep_duration_seconds', {
      description: 'Duration of a sweep',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.failures = metrics.counter('gateway_reconciler_sweep_failures', 'Sweeps that failed');
    meter
      .createObservableGauge('gateway_reconciler_last_sweep_timestamp_seconds', {
        description:
          'Unix time of the end of the last successful sweep; initially the start of the process',
      })
      .addCallback((result) => result.observe(this.lastSweepAt / 1000));
  }

  recordSweep({ listingCalls, ...jobs }: SweepCounts, seconds: number): void {
    this.lastSweepAt = Date.now();
    this.seconds.record(seconds);
    this.listingCalls.add(listingCalls);
    for (const [step, count] of Object.entries(jobs)) {
      if (count > 0) this.jobs.add(count, { step });
    }
  }

  recordFailure(): void {
    this.failures.add(1);
  }
}
