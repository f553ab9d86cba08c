import type { CountedRefusal, RefusalCause } from '../refusal.js';

export interface RefusalLimits {
  /** Maximum entries per minute of one cause from one address. */
  readonly perAddress: number;
  /** Maximum entries per minute in total, against floods from many addresses. */
  readonly total: number;
  /** Maximum bytes of raw requests per minute. */
  readonly rawRequestBytes: number;
}

/** Maximum addresses with their own count per minute; the rest shares one count per cause. */
const MAX_ADDRESSES = 10_000;
/** Key of the shared count; no address is empty. */
const OTHER_ADDRESSES = '';

/** How a refusal is recorded: counted, as an entry, or as an entry with its raw request. */
export type StorageDecision = 'count' | 'entry' | 'entry_with_raw';

/**
 * Decides which refusals get an entry and which are only counted. Resets every minute, which bounds its memory.
 */
export class RefusalBudget {
  private minute = -1;
  private entries = 0;
  private bytes = 0;
  private addresses = 0;
  private readonly seen = new Map<RefusalCause, Map<string, number>>();

  constructor(private readonly limits: RefusalLimits) {}

  /** `nowSeconds` is any steady clock. */
  spend(
    { cause, clientAddress, bytes }: Pick<CountedRefusal, 'cause' | 'clientAddress' | 'bytes'>,
    nowSeconds: number,
  ): StorageDecision {
    this.startMinute(Math.floor(nowSeconds / 60));
    if (this.countOf(cause, clientAddress) > this.limits.perAddress) return 'count';
    if (this.entries >= this.limits.total) return 'count';
    this.entries += 1;
    if (this.bytes + bytes > this.limits.rawRequestBytes) return 'entry';
    this.bytes += bytes;
    return 'entry_with_raw';
  }

  /** The count in this minute, including this refusal. */
  private countOf(cause: RefusalCause, address: string): number {
    let ofCause = this.seen.get(cause);
    if (ofCause === undefined) this.seen.set(cause, (ofCause = new Map<string, number>()));
    let count = ofCause.get(address);
    let key = address;
    if (count === undefined) {
      if (this.addresses >= MAX_ADDRESSES) key = OTHER_ADDRESSES;
      else this.addresses += 1;
      count = ofCause.get(key) ?? 0;
    }
    ofCause.set(key, count + 1);
    return count + 1;
  }

  private startMinute(minute: number): void {
    if (minute === this.minute) return;
    this.minute = minute;
    this.entries = 0;
    this.bytes = 0;
    this.addresses = 0;
    this.seen.clear();
  }
}
