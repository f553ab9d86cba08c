import { Logger } from '@nestjs/common';
import type { Settings } from '../config/settings.js';
import { withTimeout } from '../with-timeout.js';
import { useTracer } from './spans.js';

/** Time limit of the last export during a shutdown. */
const SHUTDOWN_TIMEOUT_MILLISECONDS = 3000;
const WARN_EVERY_MILLISECONDS = 60_000;

/**
 * Starts tracing if `OTEL_EXPORTER_OTLP_ENDPOINT` is set, and loads the SDK only then. Returns a function that stops it.
 * An unavailable collector costs one log line per minute and the queued spans.
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
