import type { Settings } from '../platform/config/settings.js';
import { Transport } from './transport.js';

/** What Reducto answers to a question that costs nothing; `undefined` values were not in the answer. */
export interface UpstreamProbe {
  readonly status: number;
  readonly contentType: string | undefined;
  /** Its clock, to the second. */
  readonly date: Date | undefined;
  readonly milliseconds: number;
}

/**
 * Asks for one entry of the listing with our key. Nothing is submitted, nothing counts against the looks of
 * running gateways. Throws what the connection throws.
 */
export async function probeReducto(
  settings: Settings,
  signal: AbortSignal,
): Promise<UpstreamProbe> {
  const transport = new Transport(settings);
  const begin = performance.now();
  try {
    const base = settings.REDUCTO_BASE_URL.href.replace(/\/$/, '');
    const response = await transport.fetch(`${base}/jobs?limit=1&exclude_configs=true`, {
      headers: {
        authorization: `Bearer ${settings.REDUCTO_API_KEY ?? ''}`,
        accept: 'application/json',
      },
      signal,
    });
    const milliseconds = performance.now() - begin;
    await response.discard();
    const date = Date.parse(response.headers.get('date') ?? '');
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? undefined,
      date: Number.isNaN(date) ? undefined : new Date(date),
      milliseconds,
    };
  } finally {
    await transport.onApplicationShutdown();
  }
}
