import { Injectable } from '@nestjs/common';
import type { Counter } from '@opentelemetry/api';
import { Metrics } from '../platform/metrics/metrics.js';

/** Metrics of the audit writer. */
@Injectable()
export class AuditMetrics {
  private readonly entries: Counter;
  private readonly failures: Counter;

  constructor(private readonly metrics: Metrics) {
    this.entries = metrics.counter(
      'gateway_audit_entries_written',
      'Entries of the audit that were written',
    );
    this.failures = metrics.counter(
      'gateway_audit_write_failures',
      'Writes of the audit that broke off; their entries are kept and tried again',
    );
  }

  /** Observes the entries that wait to be written. */
  watch(waiting: () => number): void {
    this.metrics.meter
      .createObservableGauge('gateway_audit_entries_waiting', {
        description: 'Audit entries that wait to be written; from 2000, refusals are only counted',
      })
      .addCallback((result) => result.observe(waiting()));
  }

  recordWritten(entries: number): void {
    this.entries.add(entries);
  }

  recordFailure(): void {
    this.failures.add(1);
  }
}
