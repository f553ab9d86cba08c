import type { Settings } from '../platform/config/settings.js';
import { Transport } from './transport.js';

/** Answer to a free request; absent values are `undefined`. */
export interface UpstreamProbe {
  readonly status: number;
  readonly contentType: string | undefined;
  /** Its clock, to the second. */
  readonly date: Date | undefined;
  readonly milliseconds: number;
}

/** Reads one entry of the listing with the API key, outside the shared rate limit. Throws connection errors. */
export async function probeReducto(
  settings: Settings,
  within: AbortSignal,
): Promise<UpstreamProbe> {
  const transport = new Transport(settings);
  const begin = performance.now();
  try {
    const query = { limit: '1', exclude_configs: 'true' };
    const { status, headers } = await transport.sendRequest('GET', '/jobs', {
      query,
      timeoutSeconds: within,
    });
    const date = Date.parse(headers.date ?? '');
    return {
      status,
      contentType: headers['content-type'],
      date: Number.isNaN(date) ? undefined : new Date(date),
      milliseconds: performance.now() - begin,
    };
  } finally {
    await transport.onApplicationShutdown();
  }
}
