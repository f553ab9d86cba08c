import { setTimeout } from 'node:timers/promises';

/** Waits at most `milliseconds` for `work` to settle. Returns the outcome; never rejects. */
export async function withTimeout(
  milliseconds: number,
  work: Promise<unknown>,
): Promise<{ readonly outcome: 'done' | 'late' } | { readonly outcome: 'broken'; error: unknown }> {
  const timer = new AbortController();
  const late = setTimeout(Math.max(milliseconds, 0), { outcome: 'late' } as const, {
    signal: timer.signal,
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work.then(() => ({ outcome: 'done' }) as const), late]);
  } catch (error) {
    return { outcome: 'broken', error };
  } finally {
    timer.abort();
  }
}
