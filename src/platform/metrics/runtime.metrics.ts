import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import {
  constants,
  monitorEventLoopDelay,
  performance,
  PerformanceObserver,
  type PerformanceEntry,
} from 'node:perf_hooks';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Counter } from '@opentelemetry/api';
import { Settings } from '../config/settings.js';
import { Metrics } from './metrics.js';

/** Sampling interval of the event loop delay; samples include it. */
const SAMPLE_MILLISECONDS = 20;
const QUANTILES = [0.5, 0.99, 1] as const;

const COLLECTIONS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weak_callbacks',
};

/** Metrics of the process: event loop, CPU, memory, garbage collection. */
@Injectable()
export class RuntimeMetrics implements OnApplicationShutdown {
  private readonly delay = monitorEventLoopDelay({ resolution: SAMPLE_MILLISECONDS });
  private readonly collections: PerformanceObserver;

  constructor(metrics: Metrics, settings: Settings) {
    describeBuild(metrics, settings);
    describeProcess(metrics);
    this.describeEventLoop(metrics);
    const kinds = Object.values(COLLECTIONS).map((kind) => ({ kind }));
    const seconds = metrics.counter('gateway_gc_seconds', 'Time in garbage collection', kinds);
    this.collections = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) add(seconds, entry);
    });
    this.collections.observe({ entryTypes: ['gc'] });
    this.delay.enable();
  }

  onApplicationShutdown(): void {
    this.collections.disconnect();
    this.delay.disable();
  }

  private describeEventLoop({ meter }: Metrics): void {
    meter
      .createObservableCounter('gateway_event_loop_active_seconds', {
        description: 'Busy time of the event loop; its rate is the utilization',
      })
      .addCallback((result) => {
        result.observe(performance.eventLoopUtilization().active / 1000);
      });
    meter
      .createObservableGauge('gateway_event_loop_delay_seconds', {
        description: 'Delay of the event loop since the last scrape, by quantile; 1 is the maximum',
      })
      .addCallback((result) => {
        for (const quantile of QUANTILES) {
          const milliseconds = this.delay.percentile(quantile * 100) / 1e6 - SAMPLE_MILLISECONDS;
          result.observe(Math.max(milliseconds, 0) / 1000, { quantile: String(quantile) });
        }
        this.delay.reset();
      });
  }
}

function add(seconds: Counter, entry: PerformanceEntry & { detail?: { kind?: number } }): void {
  const kind = COLLECTIONS[entry.detail?.kind ?? 0];
  if (kind !== undefined) seconds.add(entry.duration / 1000, { kind });
}

function describeBuild({ meter }: Metrics, { ROLES, WEBHOOK_MODE }: Settings): void {
  const labels = {
    version: version(),
    node: process.version,
    roles: ROLES.toSorted().join(','),
    callbacks: WEBHOOK_MODE,
  };
  meter
    .createObservableGauge('gateway_info', {
      description: 'Version and roles of the process; always 1',
    })
    .addCallback((result) => result.observe(1, labels));
}

function describeProcess({ meter }: Metrics): void {
  const startedAt = performance.timeOrigin / 1000;
  const gauge = (name: string, description: string, value: () => number): void => {
    meter
      .createObservableGauge(name, { description })
      .addCallback((result) => result.observe(value()));
  };
  // The standard process metrics of Prometheus.
  gauge('process_start_time_seconds', 'When the process began, in Unix time', () => startedAt);
  gauge('process_resident_memory_bytes', 'Memory of the process', () => process.memoryUsage.rss());
  gauge('nodejs_heap_used_bytes', 'Used memory of the heap', () => process.memoryUsage().heapUsed);
  gauge('nodejs_external_memory_bytes', 'Memory of buffers, outside the heap', () => {
    return process.memoryUsage().external;
  });
  meter
    .createObservableCounter('process_cpu_seconds', { description: 'CPU time of the process' })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage();
      result.observe((user + system) / 1e6);
    });
}

function version(): string {
  const file = findPackageJSON('..', import.meta.url);
  const content: unknown = file === undefined ? {} : JSON.parse(readFileSync(file, 'utf8'));
  return typeof content === 'object' && content !== null && 'version' in content
    ? String(content.version)
    : '';
}
