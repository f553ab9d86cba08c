import { Injectable } from '@nestjs/common';
import { SpanKind, type Counter, type Histogram } from '@opentelemetry/api';
import { Metrics, SECONDS } from '../platform/metrics/metrics.js';
import { inSpan } from '../platform/tracing/spans.js';

export type UpstreamCall = 'submit' | 'poll' | 'list' | 'cancel';

/** Requests to Reducto and what came of them, as figures. */
@Injectable()
export class UpstreamMetrics {
  private readonly answers: Counter;
  private readonly seconds: Histogram;
  private readonly troubles: Counter;

  constructor(metrics: Metrics) {
    const { meter } = metrics;
    this.answers = meter.createCounter('gateway_upstream_requests', {
      description: 'Requests to Reducto, by call and by what the answer meant',
    });
    this.seconds = meter.createHistogram('gateway_upstream_request_duration_seconds', {
      description: 'How long Reducto takes to answer, by call',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.troubles = metrics.counter(
      'gateway_upstream_cool_downs',
      'Times that trouble at Reducto held back all looks',
    );
  }

  /** Counts and times the answer of `ask`. */
  async measure<Answer extends { kind: string }>(
    call: UpstreamCall,
    ask: () => Promise<Answer>,
  ): Promise<Answer> {
    const begin = performance.now();
    const answer = await inSpan(`reducto ${call}`, { kind: SpanKind.CLIENT }, async (span) => {
      const answered = await ask();
      span?.setAttribute('reducto.answer', answered.kind);
      return answered;
    });
    this.answers.add(1, { call, answer: answer.kind });
    this.seconds.record((performance.now() - begin) / 1000, { call });
    return answer;
  }

  recordCoolDown(): void {
    this.troubles.add(1);
  }
}
