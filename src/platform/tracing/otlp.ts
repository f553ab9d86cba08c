import { context, diag, DiagLogLevel, type Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';

/* Import this only where traces are on, and only by `import()`: it brings in the SDK. */

export interface ExportOptions {
  /** Of the collector; spans go to `/v1/traces` below it, as OTLP over HTTP in JSON. */
  readonly endpoint: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  /** The share of traces that is kept where the caller has not decided; 0 to 1. */
  readonly ratio: number;
  /** Hears that spans could not be exported. */
  readonly onError: () => void;
}

/** Spans that wait for the collector, at most; further ones are dropped. What a collector that is away costs. */
const MAX_WAITING = 2048;
const MAX_PER_EXPORT = 512;
const EXPORT_EVERY_MILLISECONDS = 2000;
const EXPORT_MILLISECONDS = 5000;

/** The machinery of traces for this process. `stop` exports what waits, for as long as an export may take. */
export function startOtlp(options: ExportOptions): { tracer: Tracer; stop: () => Promise<void> } {
  // Texts of the SDK may quote what a collector answered, so none is passed on.
  const report = (): void => options.onError();
  const quiet = (): void => undefined;
  diag.setLogger(
    { error: report, warn: report, info: quiet, debug: quiet, verbose: quiet },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const contexts = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(contexts);
  const exporter = new OTLPTraceExporter({
    url: `${options.endpoint.href.replace(/\/$/, '')}/v1/traces`,
    headers: options.headers,
    timeoutMillis: EXPORT_MILLISECONDS,
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': options.serviceName }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.ratio) }),
    spanLimits: { attributeValueLengthLimit: 200, attributeCountLimit: 32 },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: MAX_WAITING,
        maxExportBatchSize: MAX_PER_EXPORT,
        scheduledDelayMillis: EXPORT_EVERY_MILLISECONDS,
        exportTimeoutMillis: EXPORT_MILLISECONDS,
      }),
    ],
  });
  return {
    tracer: provider.getTracer('reducto-gateway'),
    stop: async () => {
      // What is global first: the export may take longer than anybody waits for it.
      contexts.disable();
      context.disable();
      diag.disable();
      await provider.shutdown();
    },
  };
}
