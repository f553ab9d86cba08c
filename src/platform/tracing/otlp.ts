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

/* Import this only by `import()`, and only if tracing is on: it loads the SDK. */

export interface ExportOptions {
  /** URL of the collector; spans go to `/v1/traces` below it, as OTLP/HTTP in JSON. */
  readonly endpoint: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  /** Sampling ratio for requests without a sampling decision of their caller; 0 to 1. */
  readonly ratio: number;
  /** Called if an export fails. */
  readonly onError: () => void;
}

/** Maximum queued spans, which bounds the memory while the collector is unavailable; further ones are dropped. */
const MAX_WAITING = 2048;
const MAX_PER_EXPORT = 512;
const EXPORT_EVERY_MILLISECONDS = 2000;
const EXPORT_MILLISECONDS = 5000;

/** Sets up tracing for this process. `stop` exports the queued spans, within the export timeout. */
export function startOtlp(options: ExportOptions): { tracer: Tracer; stop: () => Promise<void> } {
  // Messages of the SDK may quote the collector's answer, so they are not logged.
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
      // Globals first: the export may exceed the shutdown deadline.
      contexts.disable();
      context.disable();
      diag.disable();
      await provider.shutdown();
    },
  };
}
