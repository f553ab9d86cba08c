import type { CountedRefusal, RefusalCause } from '../refusal.js';

export interface RefusalLimits {
  /** Full entries per minute of one cause from one address. */
  readonly perAddress: number;
  /** Full entries per minute of everything, so that many addresses do not add up. */
  readonly total: number;
  /** Bytes of sealed originals per minute. */
  readonly originalBytes: number;
}

/** Addresses that are told apart within a minute; the rest shares one count per cause. */
const MAX_ADDRESSES = 10_000;
/** Stands for them; no address is empty. */
const THE_REST = '';

/** What is kept of a refusal: a number, an entry of its own, or that with its original. */
export type StorageDecision = 'number' | 'entry' | 'original';

/**
 * Which refusals are kept one by one, and which are only counted. Starts afresh every minute, so that
 * its memory is bounded by what one minute can bring.
 */
export class RefusalBudget {
  private minute = -1;
  private kept = 0;
  private bytes = 0;
  private addresses = 0;
  private readonly seen = new Map<RefusalCause, Map<string, number>>();

  constructor(private readonly limits: RefusalLimits) {}

  /** `nowSeconds` is any steady clock. */
  spend(
    { cause, clientAddress, bytes }: Pick<CountedRefusal, 'cause' | 'clientAddress' | 'bytes'>,
    nowSeconds: number,
  ): StorageDecision {
    this.turn(Math.floor(nowSeconds / 60));
    if (this.countOf(cause, clientAddress) > this.limits.perAddress) return 'number';
    if (this.kept >= this.limits.total) return 'number';
    this.kept += 1;
    if (this.bytes + bytes > this.limits.originalBytes) return 'entry';
    this.bytes += bytes;
    return 'original';
  }

  /** How often it has come in this minute, this time included. */
  private countOf(cause: RefusalCause, address: string): number {
    let ofCause = this.seen.get(cause);
    if (ofCause === undefined) this.seen.set(cause, (ofCause = new Map<string, number>()));
    let count = ofCause.get(address);
    let key = address;
    if (count === undefined) {
      if (this.addresses >= MAX_ADDRESSES) key = THE_REST;
      else this.addresses += 1;
      count = ofCause.get(key) ?? 0;
    }
    ofCause.set(key, count + 1);
    return count + 1;
  }

  private turn(minute: number): void {
    if (minute === this.minute) return;
    this.minute = minute;
    this.kept = 0;
    this.bytes = 0;
    this.addresses = 0;
    this.seen.clear();
  }
}
