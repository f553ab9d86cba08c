import { Injectable } from '@nestjs/common';
import type { Counter } from '@opentelemetry/api';
import { Metrics } from './metrics.js';

/** Kinds of rows that retention deletes. */
export type DeletedKind = 'result' | 'job' | 'callback' | 'result_chunk' | 'upload' | 'audit_entry';

/** Counts rows that retention deleted. */
@Injectable()
export class DeletedRows {
  private readonly counter: Counter;

  constructor({ meter }: Metrics) {
    this.counter = meter.createCounter('gateway_retention_removed', {
      description: 'What was removed because it was older than its setting says, by kind',
    });
  }

  add(kind: DeletedKind, count: number): void {
    if (count > 0) this.counter.add(count, { kind });
  }
}
