import { CONSOLE_PATH } from './console/console.setup.js';
import type { Settings } from './platform/config/settings.js';
import { CALLBACK_PATH } from './webhooks/callback-probe.js';

/** A line for each thing that a process with these settings serves at `url`. `METRICS_PORT` reports its own. */
export function servedAddresses(settings: Settings, url: string): string[] {
  const lines: string[] = [];
  if (settings.has('api')) {
    lines.push(
      `API: ${url}/v1`,
      `API documentation: ${url}/docs`,
      `Console: ${url}${CONSOLE_PATH}`,
    );
  }
  if (settings.has('webhooks')) lines.push(`Callbacks: ${url}${CALLBACK_PATH}`);
  if (settings.METRICS_PORT === undefined && !settings.isWebhookOnly) {
    lines.push(`Metrics: ${url}/metrics`);
  }
  return lines;
}
