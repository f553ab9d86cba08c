import { Injectable } from '@nestjs/common';
import { SpanKind, type Counter, type Histogram } from '@opentelemetry/api';
import { Metrics, SECONDS } from '../platform/metrics/metrics.js';
import { inSpan } from '../platform/tracing/spans.js';

export type UpstreamCall = 'submit' | 'classify' | 'poll' | 'list' | 'cancel' | 'delete';
/** Requests with a rate limit of their own. */
export type LimitedCall = 'submit' | 'poll';

/** Metrics of requests to Reducto and their answers. */
@Injectable()
export class UpstreamMetrics {
  private readonly answers: Counter;
  private readonly seconds: Histogram;
  private readonly coolDowns: Counter;
  private readonly permitSeconds: Histogram;

  constructor(metrics: Metrics) {
    const { meter } = metrics;
    this.answers = meter.createCounter('gateway_upstream_requests', {
      description: 'Requests to Reducto, by call and outcome',
    });
    this.seconds = meter.createHistogram('gateway_upstream_request_duration_seconds', {
      description: 'Duration of requests to Reducto, by call',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.coolDowns = metrics.counter(
      'gateway_upstream_cool_downs',
      'Cool-downs: times that requests backed off because Reducto was unavailable, by call',
      [{ call: 'submit' }, { call: 'poll' }],
    );
    this.permitSeconds = meter.createHistogram('gateway_upstream_permit_wait_seconds', {
      description: 'Time that requests to Reducto waited for the rate limiter, by call',
      advice: { explicitBucketBoundaries: SECONDS },
    });
  }

  /** Counts and times a request. One that is forbidden is counted when it is known what that means. */
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
    if (answer.kind !== 'forbidden') this.countAnswer(call, answer.kind);
    this.seconds.record((performance.now() - begin) / 1000, { call });
    return answer;
  }

  countAnswer(call: UpstreamCall, answer: string): void {
    this.answers.add(1, { call, answer });
  }

  recordCoolDown(call: LimitedCall): void {
    this.coolDowns.add(1, { call });
  }

  recordPermit(call: LimitedCall, seconds: number): void {
    this.permitSeconds.record(seconds, { call });
  }
}
