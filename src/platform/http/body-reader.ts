import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../errors/error-codes.js';
import type { BodyReservation } from './body-budget.js';

/** The received bytes of a request. */
export class RawBody {
  constructor(
    readonly bytes: Buffer,
    /** False if `bytes` is only the beginning of the body. */
    readonly complete: boolean,
  ) {}
}

export interface BodyLimits {
  readonly maxBytes: number;
  readonly timeoutMilliseconds: number;
  readonly reservation: BodyReservation;
  /** Returns the received bytes after the timeout, instead of throwing. */
  readonly cutWhenLate?: boolean;
}

/** The length that a request declares for its body; undefined for a chunked one. */
export function declaredLength({ headers }: IncomingMessage): number | undefined {
  if (headers['transfer-encoding'] !== undefined) return undefined;
  return Number(headers['content-length'] ?? 0);
}

/**
 * Reads at most `maxBytes` of a body; the answer then closes the connection. Memory grows with the received bytes, not with
 * the declared length. Throws `request_timeout`, `unavailable` if the body budget is exhausted, and `malformed_request` if
 * the connection breaks.
 */
export async function readBody(payload: IncomingMessage, limits: BodyLimits): Promise<RawBody> {
  // A body in the same packet as the headers needs neither a timer nor listeners.
  if (!payload.complete) await new Promise(setImmediate);
  if (!payload.complete || payload.destroyed) return collectBody(payload, limits);
  const bytes: unknown = payload.read();
  if (!Buffer.isBuffer(bytes)) return new RawBody(EMPTY, true);
  if (!limits.reservation.growTo(bytes.length)) throw budgetUsedUp();
  const { maxBytes } = limits;
  return new RawBody(bytes.subarray(0, maxBytes), bytes.length <= maxBytes);
}

function budgetUsedUp(): GatewayError {
  return new GatewayError('unavailable', 'Too many large requests at once. Try again shortly.', {
    retryAfterSeconds: 1,
  });
}

function collectBody(payload: IncomingMessage, limits: BodyLimits): Promise<RawBody> {
  const { maxBytes, timeoutMilliseconds, reservation, cutWhenLate = false } = limits;
  return new Promise((resolve, reject) => {
    const declared = declaredLength(payload);
    const buffer = new GrowingBuffer(Math.min(declared ?? maxBytes, maxBytes));
    const stop = (): void => {
      clearTimeout(timer);
      payload.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
      payload.pause();
    };
    const finish = (complete: boolean): void => {
      stop();
      resolve(new RawBody(buffer.bytes, complete));
    };
    const fail = (error: GatewayError): void => {
      stop();
      reject(error);
    };
    const onData = (part: Buffer): void => {
      const room = maxBytes - buffer.size;
      if (declared === undefined && !reserve(buffer.size + part.length)) return;
      buffer.append(part.length > room ? part.subarray(0, room) : part);
      if (part.length > room) finish(false);
    };
    const reserve = (bytes: number): boolean => {
      if (reservation.growTo(Math.min(bytes, maxBytes))) return true;
      fail(budgetUsedUp());
      return false;
    };
    const onEnd = (): void => finish(true);
    const onBroken = (): void =>
      fail(new GatewayError('malformed_request', 'The body was cut off.'));
    const onLate = (): void => {
      if (cutWhenLate) return finish(false);
      const seconds = Math.ceil(timeoutMilliseconds / 1000);
      fail(new GatewayError('request_timeout', `A body must arrive within ${seconds} seconds.`));
    };
    const timer = setTimeout(onLate, timeoutMilliseconds);
    if (payload.readableEnded) return finish(true);
    if (payload.destroyed) return onBroken();
    if (declared !== undefined && !reserve(declared)) return;
    payload.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
  });
}

const EMPTY = Buffer.alloc(0);

/** Joins small chunks: thousands of one-byte buffers would take hundreds of times their size. */
class GrowingBuffer {
  size = 0;
  private buffer: Buffer = EMPTY;

  constructor(private readonly expected: number) {}

  get bytes(): Buffer {
    return this.buffer.subarray(0, this.size);
  }

  append(part: Buffer): void {
    const size = this.size + part.length;
    // Most bodies arrive as one chunk.
    if (this.size === 0) this.buffer = part;
    else {
      if (size > this.buffer.length) {
        const length = Math.max(size, Math.min(2 * this.buffer.length, this.expected));
        const larger = Buffer.allocUnsafeSlow(length);
        this.buffer.copy(larger, 0, 0, this.size);
        this.buffer = larger;
      }
      part.copy(this.buffer, this.size);
    }
    this.size = size;
  }
}
