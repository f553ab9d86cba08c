import { Injectable } from '@nestjs/common';
import type { Counter } from '@opentelemetry/api';
import { Metrics } from './metrics.js';

/** Kinds of rows that retention deletes. */
const KINDS = [
  'result',
  'job',
  'callback',
  'result_chunk',
  'upload',
  'audit_entry',
  'event',
  'endpoint',
] as const;
export type DeletedKind = (typeof KINDS)[number];

/** Counts rows that retention deleted. */
@Injectable()
export class DeletedRows {
  private readonly counter: Counter;

  constructor(metrics: Metrics) {
    this.counter = metrics.counter(
      'gateway_retention_removed',
      'Rows that retention deleted, by kind',
      KINDS.map((kind) => ({ kind })),
    );
  }

  add(kind: DeletedKind, count: number): void {
    this.counter.add(count, { kind });
  }
}
