import type { NewEntry } from '../audit-entry.js';
import {
  GUARD_OF_CAUSE,
  type CountedRefusal,
  type Outcome,
  type RefusalCause,
} from '../refusal.js';

/** Maximum addresses per count; the others share one number. */
const MAX_ADDRESSES = 20;

interface Count {
  readonly cause: string;
  readonly guard: string;
  readonly outcome: Outcome;
  count: number;
  first: Date;
  last: Date;
  readonly addresses: Map<string, number>;
  otherAddresses: number;
}

/** Counts of refusals without an entry, by cause, with period and addresses. */
export class RefusalCounts {
  private counts = newCounts();

  countRefusal({ cause, clientAddress, outcome }: CountedRefusal, at: Date): void {
    const ofOutcome = this.counts[outcome];
    let count = ofOutcome.get(cause);
    if (count === undefined) ofOutcome.set(cause, (count = newCount(cause, outcome, at)));
    count.count += 1;
    count.last = at;
    const ofAddress = count.addresses.get(clientAddress);
    if (ofAddress !== undefined || count.addresses.size < MAX_ADDRESSES) {
      count.addresses.set(clientAddress, (ofAddress ?? 0) + 1);
    } else {
      count.otherAddresses += 1;
    }
  }

  /** Returns the counts since the last call as entries. */
  drainCounts(): NewEntry[] {
    const taken = [...this.counts.refused.values(), ...this.counts.observed.values()];
    this.counts = newCounts();
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
    return this.counts.refused.size + this.counts.observed.size === 0;
  }
}

function newCounts(): Record<Outcome, Map<RefusalCause, Count>> {
  return { refused: new Map(), observed: new Map() };
}

function newCount(cause: RefusalCause, outcome: Outcome, at: Date): Count {
  const guard = GUARD_OF_CAUSE[cause];
  const addresses = new Map<string, number>();
  return { cause, guard, outcome, count: 0, first: at, last: at, addresses, otherAddresses: 0 };
}
