import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from '@opentelemetry/api';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows } from '../../platform/database/sql.js';
import { Metrics, SECONDS } from '../../platform/metrics/metrics.js';
import type { Outcome } from './retry-policy.js';

const OUTCOMES = ['delivered', 'retry', 'failed', 'gone'] as const satisfies Outcome['kind'][];
const REASONS = ['failing', 'gone'] as const;
/** Scrapes within this time share one query. */
const FRESH_MILLISECONDS = 5000;

interface Backlog {
  readonly overdue: number;
  readonly overdueSeconds: number;
  readonly outbox: number;
  readonly outboxSeconds: number;
  readonly disabled: number;
}

/** Metrics of events and their deliveries. */
@Injectable()
export class DeliveryMetrics {
  private readonly attempts: Histogram;
  private readonly disabled: Counter;
  private backlog: { at: number; read: Promise<Backlog | undefined> } | undefined;

  constructor(
    metrics: Metrics,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {
    const { meter } = metrics;
    this.attempts = meter.createHistogram('gateway_delivery_attempt_duration_seconds', {
      description: 'Duration of the requests that deliver events, by outcome',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.disabled = metrics.counter(
      'gateway_endpoints_disabled',
      'Endpoints that the gateway disabled, by reason',
      REASONS.map((reason) => ({ reason })),
    );
    const gauge = (name: string, description: string) =>
      meter.createObservableGauge(name, { description });
    const overdue = gauge('gateway_deliveries_overdue', 'Due deliveries to enabled endpoints');
    const overdueAge = gauge(
      'gateway_delivery_oldest_overdue_age_seconds',
      'For how long the longest overdue delivery to an enabled endpoint has been due',
    );
    const outbox = gauge('gateway_event_outbox_size', 'Jobs that ended and have no event yet');
    const outboxAge = gauge(
      'gateway_event_outbox_oldest_age_seconds',
      'How long ago the first job ended that has no event yet',
    );
    const disabled = gauge(
      'gateway_endpoints_disabled_now',
      'Endpoints that the gateway disabled and that are not enabled again',
    );
    meter.addBatchObservableCallback(
      async (result) => {
        const found = await this.readBacklog();
        if (found === undefined) return;
        result.observe(overdue, found.overdue);
        result.observe(overdueAge, found.overdueSeconds);
        result.observe(outbox, found.outbox);
        result.observe(outboxAge, found.outboxSeconds);
        result.observe(disabled, found.disabled);
      },
      [overdue, overdueAge, outbox, outboxAge, disabled],
    );
  }

  recordAttempt(outcome: (typeof OUTCOMES)[number], milliseconds: number): void {
    this.attempts.record(milliseconds / 1000, { outcome });
  }

  recordDisabled(reason: (typeof REASONS)[number]): void {
    this.disabled.add(1, { reason });
  }

  private readBacklog(): Promise<Backlog | undefined> {
    const now = performance.now();
    if (this.backlog === undefined || now - this.backlog.at > FRESH_MILLISECONDS) {
      const read = preparedRows<Backlog>(this.database, BACKLOG, []).then(([row]) => row);
      this.backlog = { at: now, read };
      read.catch(() => (this.backlog = undefined));
    }
    return this.backlog.read;
  }
}

const BACKLOG = {
  name: 'deliveries-backlog',
  text: `
  SELECT overdue, "overdueSeconds", outbox, "outboxSeconds", disabled
    FROM (SELECT coalesce(sum(count), 0)::integer AS overdue,
                 greatest(coalesce(extract(epoch FROM now() - min(first)), 0), 0)::float8 AS "overdueSeconds"
            FROM endpoints,
                 LATERAL (SELECT count(*) AS count, min(next_attempt_at) AS first FROM deliveries
                           WHERE endpoint_id = endpoints.id AND status = 'pending' AND next_attempt_at <= now()) AS due
           WHERE enabled) AS deliveries,
         (SELECT count(*)::integer AS outbox,
                 coalesce(extract(epoch FROM now() - min(ended_at)), 0)::float8 AS "outboxSeconds"
            FROM event_outbox JOIN jobs ON jobs.id = event_outbox.job_id) AS waiting,
         (SELECT count(*)::integer AS disabled FROM endpoints
           WHERE NOT enabled AND disabled_reason IN ('failing', 'gone')) AS endpoints`,
};
