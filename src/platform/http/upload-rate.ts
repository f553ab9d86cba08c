import type { IncomingMessage } from 'node:http';

/** The minimum rate of a request body. */
export interface MinimumRate {
  readonly bytesPerSecond: number;
  /** Total time that the body may be below the rate. */
  readonly graceSeconds: number;
}

const TICK_MILLISECONDS = 500;

/**
 * Calls `onTooSlow` if a body arrives more slowly than `rate`. Time in which the gateway does not read, because the receiver
 * is slow, does not count. Returns a function that stops the check.
 */
export function requireRate(
  request: IncomingMessage,
  { bytesPerSecond, graceSeconds }: MinimumRate,
  onTooSlow: () => void,
): () => void {
  const { socket } = request;
  let secondsLeft = graceSeconds;
  let bytesBefore = socket.bytesRead;
  const timer = setInterval(() => {
    const gained = (socket.bytesRead - bytesBefore) / bytesPerSecond;
    bytesBefore = socket.bytesRead;
    if (request.complete) return clearInterval(timer);
    if (request.isPaused()) return;
    secondsLeft = Math.min(graceSeconds, secondsLeft + gained) - TICK_MILLISECONDS / 1000;
    if (secondsLeft > 0) return;
    clearInterval(timer);
    onTooSlow();
  }, TICK_MILLISECONDS);
  return () => clearInterval(timer);
}
