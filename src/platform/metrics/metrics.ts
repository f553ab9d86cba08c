import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Attributes, Counter, Meter } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

/** The media type of `Metrics.text()`. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Bounds of histograms over waits, from a local call to a day. */
export const SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400,
];

/**
 * The metrics of this process, all described in docs/metrics.md. Features make their instruments from here;
 * names begin with `gateway_` and end with their unit, and labels have few values that are known beforehand: never
 * an id, an address, a name of a service, or anything else that a sender chooses.
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
   * A counter whose series for `labels` are there from the beginning, as 0: Prometheus does not see the step
   * from nothing to 1. The exporter adds `_total` to `name`.
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
