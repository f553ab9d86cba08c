import { Injectable } from '@nestjs/common';
import type { Histogram } from '@opentelemetry/api';
import { Metrics, SECONDS } from '../metrics/metrics.js';

/** Metrics of due work. */
@Injectable()
export class WorkMetrics {
  private readonly seconds: Histogram;

  constructor({ meter }: Metrics) {
    this.seconds = meter.createHistogram('gateway_work_duration_seconds', {
      description:
        'Duration of due work, by work and outcome (done; released: due again untouched; failed: due again after an error)',
      advice: { explicitBucketBoundaries: SECONDS },
    });
  }

  recordPerformed(work: string, outcome: 'done' | 'released' | 'failed', seconds: number): void {
    this.seconds.record(seconds, { work, outcome });
  }
}
