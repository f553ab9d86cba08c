import type { IncomingMessage } from 'node:http';

/** The pace that the body of a request must keep. */
export interface MinimumRate {
  readonly bytesPerSecond: number;
  /** How long the body may fall behind, in all. */
  readonly graceSeconds: number;
}

const TICK_MILLISECONDS = 500;

/**
 * Calls `onTooSlow` once a body arrives more slowly than `rate` allows. While the gateway itself does not read on, because
 * the receiver of the upload is slow, no time counts. Returns how to end it.
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
