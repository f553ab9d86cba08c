import type { Refusal } from './refusal.js';

export interface RefusalLimits {
  /** Full entries per minute of one cause from one address. */
  readonly perAddress: number;
  /** Full entries per minute of everything, so that many addresses do not add up. */
  readonly total: number;
  /** Bytes of sealed originals per minute. */
  readonly originalBytes: number;
}

/** Addresses that are told apart within a minute; the rest shares one count per cause. */
const MOST_ADDRESSES = 10_000;

/**
 * Which refusals are kept one by one, and which are only counted. Starts afresh every minute, so that
 * its memory is bounded by what one minute can bring.
 */
export class RefusalBudget {
  private minute = -1;
  private kept = 0;
  private bytes = 0;
  private readonly seen = new Map<string, number>();

  constructor(private readonly limits: RefusalLimits) {}

  /** `full`: an entry of its own; `sealed`: with its original. `nowSeconds` is any steady clock. */
  spend(
    { cause, clientAddress, original }: Pick<Refusal, 'cause' | 'clientAddress' | 'original'>,
    nowSeconds: number,
  ): { full: boolean; sealed: boolean } {
    this.turn(Math.floor(nowSeconds / 60));
    const known = `${cause} ${clientAddress}`;
    const key = this.seen.has(known) || this.seen.size < MOST_ADDRESSES ? known : cause;
    const count = (this.seen.get(key) ?? 0) + 1;
    this.seen.set(key, count);
    if (count > this.limits.perAddress || this.kept >= this.limits.total) {
      return { full: false, sealed: false };
    }
    this.kept += 1;
    const sealed = this.bytes + original.body.length <= this.limits.originalBytes;
    if (sealed) this.bytes += original.body.length;
    return { full: true, sealed };
  }

  private turn(minute: number): void {
    if (minute === this.minute) return;
    this.minute = minute;
    this.kept = 0;
    this.bytes = 0;
    this.seen.clear();
  }
}
