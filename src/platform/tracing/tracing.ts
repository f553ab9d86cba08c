import { Logger } from '@nestjs/common';
import type { Settings } from '../config/settings.js';
import { withTimeout } from '../with-timeout.js';
import { useTracer } from './spans.js';

/** How long a stop waits for a collector. */
const SHUTDOWN_TIMEOUT_MILLISECONDS = 3000;
const WARN_EVERY_MILLISECONDS = 60_000;

/**
 * Begins to make spans where `OTEL_EXPORTER_OTLP_ENDPOINT` is set, and imports the SDK only then. Returns how to stop.
 * A collector that is away costs nothing but a line in the log per minute and the spans that wait for it.
 */
export async function startTracing(settings: Settings): Promise<(() => Promise<void>) | undefined> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } = settings;
  if (endpoint === undefined) return undefined;
  const { startOtlp } = await import('./otlp.js');
  const logger = new Logger('Tracing');
  let warnedAt = -Infinity;
  const { tracer, stop } = startOtlp({
    endpoint,
    headers: settings.OTEL_EXPORTER_OTLP_HEADERS,
    serviceName: settings.OTEL_SERVICE_NAME,
    ratio: settings.OTEL_TRACES_SAMPLER_ARG,
    onError: () => {
      if (performance.now() - warnedAt < WARN_EVERY_MILLISECONDS) return;
      warnedAt = performance.now();
      logger.warn({ msg: 'spans could not be exported; some may be lost', to: endpoint.origin });
    },
  });
  useTracer(tracer);
  return async () => {
    useTracer(undefined);
    await withTimeout(SHUTDOWN_TIMEOUT_MILLISECONDS, stop());
  };
}
