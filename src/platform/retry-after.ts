/**
 * The seconds of a `Retry-After` (a number or an HTTP date); `undefined` if it is absent, unreadable, or past. `Infinity` if
 * the number is too large.
 */
export function retryAfterSeconds(
  header: string | readonly string[] | undefined,
  now = Date.now(),
): number | undefined {
  const [value = ''] = typeof header === 'string' ? [header] : (header ?? []);
  const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
  return seconds > 0 ? seconds : undefined;
}
