import { performance } from 'node:perf_hooks';
import { Dispatcher, request } from 'undici';

export interface PostOutcome {
  status: number | null;
  error: string | null;
  durationMs: number;
  headers: Record<string, string>;
  body: string;
}

const MAX_RESPONSE_CHARS = 16_384;

/** Sends one POST request. Redirects are not followed: a 3xx is a failure. */
export async function postOnce(
  dispatcher: Dispatcher,
  url: string,
  headers: Record<string, string>,
  body: string,
  timeoutMs: number,
): Promise<PostOutcome> {
  const startedAt = performance.now();
  const elapsed = (): number => Math.round(performance.now() - startedAt);
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await request(url, { dispatcher, method: 'POST', headers, body, signal });
    const text = await response.body.text();
    return {
      status: response.statusCode,
      error: null,
      durationMs: elapsed(),
      headers: flatten(response.headers),
      body: text.slice(0, MAX_RESPONSE_CHARS).toWellFormed(),
    };
  } catch (error) {
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { status: null, error: why, durationMs: elapsed(), headers: {}, body: '' };
  }
}

export function succeeded({ status }: PostOutcome): boolean {
  return status !== null && status >= 200 && status < 300;
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}
