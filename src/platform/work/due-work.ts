/** A claim on due rows: who does the work, and the fence of what it writes. */
export interface Lease {
  /** UUID; shared by the rows that one statement leased. */
  readonly id: string;
  /** Worker process that holds it. */
  readonly worker: number;
}

/** An item with the lease that it was taken under. */
export interface Held<Item> {
  readonly lease: Lease;
  readonly item: Item;
}

/** Work that takes longer than a transaction: its rows are leased, then each is handed to `perform`. */
export interface LeasedWork<Item> {
  /** Label of metrics, such as `poll`. */
  readonly name: string;
  /** Topic of notifications that rows are due. */
  readonly topic: string;
  /** Table of the leases. `WorkerLock.onGone` must have a listener that frees those of a dead worker. */
  readonly table: string;
  /** How many more rows to lease while `running` are under way; negative if too many are. */
  freeSlots(running: number): number;
  /**
   * For work with a limit that processes share: how many of `wanted` rows may be leased under it. If it is 0,
   * `wakeForMore` is called once there may be permits.
   */
  permitsFor?(wanted: number): Promise<number>;
  /** Leases up to `limit` due rows, the longest due first, skipping rows that another process locks. */
  lease(limit: number, lease: Lease): Promise<readonly Item[]>;
  /** Resolves to `release` if nothing was done and the item should be due again. */
  perform(item: Item, lease: Lease): Promise<void | 'release'>;
  /** Prolongs leases of work under way. Absent if one lease covers the longest work. */
  renew?(held: readonly Held<Item>[]): Promise<void>;
  /**
   * Makes items due again on which nothing was done, or whose handler lost the database. It undoes only what their own
   * lease did.
   */
  release(held: readonly Held<Item>[]): Promise<void>;
  /** Makes rows due again whose lease was perhaps committed, and never reached this process. */
  releaseLost(leases: readonly Lease[]): Promise<void>;
  /** Begins nothing new; called at shutdown, before running work is awaited. */
  stop?(): void;
}

/** Slots of a kind of work, for rows that another statement leases. Call one of its functions, once. */
export interface LeaseGrant<Item> {
  readonly lease: Lease;
  readonly limit: number;
  /** Performs what was leased, once it is committed. */
  start(items: readonly Item[]): void;
  /** The statement failed: it may have been committed all the same. */
  abandon(): void;
}

/** A kind of leased work in the engine. */
export interface LeasedKind<Item> {
  /** A slot has become free. */
  readonly wakeForMore: () => void;
  /** Up to `max` free slots; `undefined` if there is none, or this worker does not hold its lock. */
  readonly grant: (max: number) => LeaseGrant<Item> | undefined;
}

/** Work of one short transaction: its row locks are the lease. */
export interface BatchWork {
  readonly name: string;
  readonly topic: string;
  /** Most rows at a time. */
  readonly batchSize: number;
  /** Whether it pauses while the event loop is saturated, for what callers wait for. */
  readonly yieldsWhenBusy: boolean;
  /** Does up to `batchSize` of what is due, and returns how many; fewer means that nothing is left. */
  perform(): Promise<number>;
}
