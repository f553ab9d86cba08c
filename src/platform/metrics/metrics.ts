import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Attributes, Counter, Meter } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

/** The media type of `Metrics.text()`. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Bucket bounds of durations, from a local call to a day. */
export const SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400,
];

/**
 * The metrics of this process; docs/metrics.md describes them all. Names begin with `gateway_` and end with their unit.
 * Labels have few values that are known in advance, never an id, an address, a service, or anything that a sender chooses.
 */
@Injectable()
export class Metrics implements OnApplicationShutdown {
  readonly meter: Meter;
  private readonly provider: MeterProvider;
  private readonly exporter = new PrometheusExporter({ preventServerStart: true });
  // No prefix, no timestamps, and neither the resource nor the scope as labels.
  private readonly serializer = new PrometheusSerializer('', false, undefined, true, true);

  constructor() {
    this.provider = new MeterProvider({ readers: [this.exporter] });
    this.meter = this.provider.getMeter('reducto-gateway');
  }

  /**
   * A counter whose series for `labels` start at 0, because Prometheus does not see a step from absent to 1. The exporter
   * adds `_total` to `name`.
   */
  counter(name: string, description: string, labels: readonly Attributes[] = [{}]): Counter {
    const counter = this.meter.createCounter(name, { description });
    for (const series of labels) counter.add(0, series);
    return counter;
  }

  /** All metrics in the text format of Prometheus. A metric whose source fails is left out. */
  async text(): Promise<string> {
    const { resourceMetrics } = await this.exporter.collect({ timeoutMillis: 5000 });
    return this.serializer.serialize(resourceMetrics);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.provider.shutdown();
  }
}
