import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from '@opentelemetry/api';
import { Metrics, SECONDS } from '../platform/metrics/metrics.js';
import type { SweepCounts } from './sweep.js';

/** What the reconciler does, as figures. */
@Injectable()
export class ReconcilerFigures {
  private readonly jobs: Counter;
  private readonly listingCalls: Counter;
  private readonly seconds: Histogram;
  private readonly failures: Counter;

  constructor({ meter }: Metrics) {
    this.jobs = meter.createCounter('gateway_reconciler_jobs', {
      description: 'Due jobs that the reconciler took up, by what it did with them',
    });
    this.listingCalls = meter.createCounter('gateway_reconciler_listing_calls', {
      description: 'Pages of the listing of all jobs that were read to narrow down many due jobs',
    });
    this.seconds = meter.createHistogram('gateway_reconciler_pass_seconds', {
      description: 'How long a pass takes',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.failures = meter.createCounter('gateway_reconciler_failed_passes', {
      description: 'Passes that broke off',
    });
  }

  passed({ listingCalls, ...jobs }: SweepCounts, seconds: number): void {
    this.seconds.record(seconds);
    this.listingCalls.add(listingCalls);
    for (const [step, count] of Object.entries(jobs)) {
      if (count > 0) this.jobs.add(count, { step });
    }
  }

  failed(): void {
    this.failures.add(1);
  }
}
