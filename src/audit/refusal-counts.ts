import type { NewEntry } from './audit-entry.js';
import type { Refusal } from './refusal.js';

/** Addresses that a count names; the others share one number. */
const MOST_ADDRESSES = 20;

interface Count {
  readonly cause: string;
  readonly guard: string;
  readonly outcome: 'refused' | 'observed';
  count: number;
  first: Date;
  last: Date;
  readonly addresses: Map<string, number>;
  otherAddresses: number;
}

/** Refusals that are not kept one by one: how many of each cause, from when to when, and mostly from where. */
export class RefusalCounts {
  private counts = new Map<string, Count>();

  add({ cause, guard, clientAddress, status }: Refusal, at: Date): void {
    const outcome = status === 200 ? 'observed' : 'refused';
    const key = `${cause} ${guard} ${outcome}`;
    const count = this.counts.get(key) ?? {
      cause,
      guard,
      outcome,
      count: 0,
      first: at,
      last: at,
      addresses: new Map<string, number>(),
      otherAddresses: 0,
    };
    this.counts.set(key, count);
    count.count += 1;
    count.last = at;
    const ofAddress = count.addresses.get(clientAddress);
    if (ofAddress !== undefined || count.addresses.size < MOST_ADDRESSES) {
      count.addresses.set(clientAddress, (ofAddress ?? 0) + 1);
    } else {
      count.otherAddresses += 1;
    }
  }

  /** What was counted since the last time, as entries. */
  take(): NewEntry[] {
    const taken = [...this.counts.values()];
    this.counts = new Map();
    return taken.map(({ first, last, addresses, ...rest }) => ({
      at: last,
      kind: 'counted',
      data: {
        ...rest,
        firstAt: first.toISOString(),
        lastAt: last.toISOString(),
        addresses: Object.fromEntries(addresses),
      },
    }));
  }

  get isEmpty(): boolean {
    return this.counts.size === 0;
  }
}
