import { getHeapStatistics } from 'node:v8';

/** Smaller bodies need no reservation, so that they pass while large ones wait. The connection limit bounds them. */
const MIN_RESERVED_BYTES = 4096;

/** Default share of V8's heap: parsing a body takes a multiple of its size. */
const HEAP_SHARE = 1 / 16;

/** Limits the bytes of request bodies that a process holds. One owner gets at most half, except for a single body. */
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

/** The reservation of one body. It must be released in every case. */
export class BodyReservation {
  private held = 0;

  constructor(private readonly add: (bytes: number, held: number) => boolean) {}

  get isHeld(): boolean {
    return this.held > 0;
  }

  /** Extends the reservation to `bytes` in total. Returns false if the budget is exhausted. */
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
