/** A permit of this process; times in milliseconds of its clock. */
export interface HeldPermit {
  /** From when on it may be spent. */
  readonly at: number;
  /** Until when it may be spent. */
  readonly until: number;
}

/** Consecutive permits, evenly spaced. */
export interface PermitBlock {
  readonly at: number;
  readonly spacing: number;
  readonly count: number;
  /** In the database: the time after the last permit, while nobody has taken later ones. */
  readonly end?: string | undefined;
}

/** Most of the rate that one block holds. */
const BLOCK_SECONDS = 0.25;
/** A permit that nobody has claimed this long after its time expires. */
const UNCLAIMED_MILLISECONDS = 250;
/** Time to spend a claimed permit; bounds how far a minute exceeds its rate. */
const CLAIMED_MILLISECONDS = 350;
/** Share of a minute’s permits that a process may keep beyond their time, so that single requests need no statement. */
const RESERVED_SHARE = 0.0005;
const MAX_RESERVED = 64;
const RESERVED_MILLISECONDS = 60_000;
const FIRST_BLOCK = 4;

/** The permits that this process has taken and not spent. Unspent ones expire, but for a small reserve. */
export class PermitPool {
  /** Permits kept beyond their time; 0 at low rates. */
  readonly maxReserved: number;
  private readonly maxBlock: number;
  private blocks: PermitBlock[] = [];
  private reserved = 0;
  private reservedUntil = 0;
  private size = FIRST_BLOCK;
  private claimed = 0;
  private expired = 0;

  constructor(perSecond: number) {
    this.maxReserved = Math.min(MAX_RESERVED, Math.floor(perSecond * 60 * RESERVED_SHARE));
    this.maxBlock = Math.max(1, Math.floor(perSecond * BLOCK_SECONDS));
  }

  /** Number of permits that can be claimed, some of them for later. */
  available(now: number): number {
    this.expire(now);
    return this.blocks.reduce((sum, { count }) => sum + count, this.reserved);
  }

  /** Whether it is time for the next block, before the last permit is claimed. */
  isLow(now: number): boolean {
    if (this.maxReserved === 0) return false;
    return this.available(now) < Math.max(this.maxReserved, this.size) / 4;
  }

  claim(now: number): HeldPermit | undefined {
    this.expire(now);
    const [block] = this.blocks;
    if (this.reserved > 0 && (block === undefined || block.at > now)) {
      this.reserved -= 1;
      return { at: now, until: now + CLAIMED_MILLISECONDS };
    }
    if (block === undefined) return undefined;
    const { at, spacing, count } = block;
    if (count === 1) this.blocks.shift();
    else this.blocks[0] = { ...block, at: at + spacing, count: count - 1 };
    this.claimed += 1;
    return { at, until: at + CLAIMED_MILLISECONDS };
  }

  /** Takes back a claimed permit that was not spent. */
  giveBack({ at }: HeldPermit): void {
    this.blocks.unshift({ at, spacing: 0, count: 1 });
    this.claimed -= 1;
  }

  /**
   * Removes up to `max` unclaimed permits from the end of the latest block, and returns how many and what its end was.
   * None of an earlier block, because other processes may have taken the permits in between.
   */
  removeLast(
    max: number,
    now: number,
  ): { readonly count: number; readonly end: string } | undefined {
    this.expire(now);
    const block = this.blocks.at(-1);
    if (block?.end === undefined || max <= 0) return undefined;
    const count = Math.min(max, block.count);
    this.blocks.pop();
    if (count < block.count)
      this.blocks.push({ ...block, count: block.count - count, end: undefined });
    this.expired += count;
    return { count, end: block.end };
  }

  /** Number of permits to take for `waiting` callers: twice the last number, or what was claimed if some expired. */
  nextBlockSize(waiting: number, now: number): number {
    this.expire(now);
    const wanted = this.expired === 0 ? this.size * 2 : this.claimed;
    this.size = Math.min(Math.max(wanted, 1), this.maxBlock);
    this.claimed = 0;
    this.expired = 0;
    const missing = this.maxReserved - this.reserved;
    return Math.min(Math.max(this.size, waiting, missing), this.maxBlock);
  }

  addBlock({ at, spacing, count, end }: PermitBlock, now: number): void {
    // Permits of the burst are as good as those of now.
    const past = Math.min(count, Math.max(0, Math.ceil((now - at) / spacing)));
    if (past > 0)
      this.blocks.push({ at: now, spacing: 0, count: past, ...(past === count ? { end } : {}) });
    if (count > past)
      this.blocks.push({ at: at + past * spacing, spacing, count: count - past, end });
  }

  clear(): void {
    this.blocks = [];
    this.reserved = 0;
  }

  private expire(now: number): void {
    if (this.reservedUntil < now) this.reserved = 0;
    for (;;) {
      const [block] = this.blocks;
      const past = now - UNCLAIMED_MILLISECONDS;
      if (block === undefined || block.at >= past) return;
      const { at, spacing, count } = block;
      const over = spacing === 0 ? count : Math.min(count, Math.ceil((past - at) / spacing));
      if (over === count) this.blocks.shift();
      else this.blocks[0] = { ...block, at: at + over * spacing, count: count - over };
      this.expired += over;
      const kept = Math.min(over, this.maxReserved - this.reserved);
      if (kept > 0) {
        this.reserved += kept;
        this.reservedUntil = now + RESERVED_MILLISECONDS;
      }
    }
  }
}
