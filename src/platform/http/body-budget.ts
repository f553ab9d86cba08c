import { getHeapStatistics } from 'node:v8';

/** Smaller bodies need no reservation, so that they pass while large ones wait. The number of connections bounds them. */
const MIN_RESERVED_BYTES = 4096;

/** Without a setting, the share of V8's heap: what is made of a body takes a multiple of its size. */
const HEAP_SHARE = 1 / 16;

/** The bytes of request bodies that one process holds at a time. No owner of a body gets more than half, except for a single body. */
export class BodyBudget {
  private reserved = 0;
  private readonly byOwner = new Map<string, number>();

  constructor(private readonly capacity: number) {}

  /** @param maxBodyBytes the largest single body, which must fit. */
  static of(setting: number | undefined, maxBodyBytes: number): BodyBudget {
    const bytes = setting ?? getHeapStatistics().heap_size_limit * HEAP_SHARE;
    return new BodyBudget(Math.max(bytes, maxBodyBytes));
  }

  /** Reserves nothing yet. */
  open(owner?: string): BodyReservation {
    return new BodyReservation((bytes, held) => this.add(owner, bytes, held));
  }

  private add(owner: string | undefined, bytes: number, held: number): boolean {
    const ofOwner = owner === undefined ? 0 : (this.byOwner.get(owner) ?? 0);
    if (bytes > 0) {
      if (this.reserved + bytes > this.capacity) return false;
      if (ofOwner > held && ofOwner + bytes > this.capacity / 2) return false;
    }
    this.reserved += bytes;
    if (owner !== undefined) {
      if (ofOwner + bytes === 0) this.byOwner.delete(owner);
      else this.byOwner.set(owner, ofOwner + bytes);
    }
    return true;
  }
}

/** The share of one body. It must be released, whatever becomes of the request. */
export class BodyReservation {
  private held = 0;

  constructor(private readonly add: (bytes: number, held: number) => boolean) {}

  get isHeld(): boolean {
    return this.held > 0;
  }

  /** Reserves `bytes` in all. False where the budget is used up. */
  growTo(bytes: number): boolean {
    if (bytes <= this.held || bytes < MIN_RESERVED_BYTES) return true;
    if (!this.add(bytes - this.held, this.held)) return false;
    this.held = bytes;
    return true;
  }

  release(): void {
    this.add(-this.held, this.held);
    this.held = 0;
  }
}
