import type { IncomingHttpHeaders } from 'node:http';

/** The ceiling of Reducto’s own synchronous calls. */
const MAX_WAIT_SECONDS = 900;

/** How the SDKs tell the server their timeout, in seconds. */
const TIMEOUT_HEADERS = [
  'x-reducto-read-timeout',
  'x-stainless-read-timeout',
  'x-stainless-timeout',
] as const;

/** For how long a synchronous call may wait, so that the answer arrives before the client’s own timeout. */
export function waitSecondsOf(headers: IncomingHttpHeaders): number {
  const timeouts = TIMEOUT_HEADERS.map((name) => Number(headers[name])).filter((one) => one > 0);
  const timeout = Math.min(...timeouts);
  return Math.min(MAX_WAIT_SECONDS, timeout - Math.min(timeout * 0.1, 2));
}
