import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { classifyDatabaseError, sqlStateOf } from '../database/database-errors.js';
import { withTimeout } from '../with-timeout.js';
import type { Held, Lease, LeaseGrant, LeasedWork } from './due-work.js';
import { WorkLoop } from './work-loop.js';
import type { WorkMetrics } from './work.metrics.js';
import type { WorkerLock } from './worker-lock.js';

/** A statement whose answer was lost may commit until then. */
const LOST_LEASE_MILLISECONDS = 60_000;
const LOST_RELEASE_MILLISECONDS = 1000;
/** For the releases at shutdown. */
const RELEASE_MILLISECONDS = 1000;

/** Leases due rows of one kind of work, and performs them under its concurrency limit. */
export class LeasedWorker<Item> {
  private readonly logger = new Logger('Work');
  private readonly running = new Map<Promise<void>, Held<Item>>();
  /** Items to make due again, as soon as the database allows. */
  private unreleased: Held<Item>[] = [];
  /** Leases that may have been committed without an answer, with the time until which they may. */
  private readonly lost = new Map<Lease, number>();
  private lostReleasedAt = -Infinity;
  private mayBeMore = false;
  /** Slots of open grants. */
  private granted = 0;
  private readonly loop: WorkLoop;

  constructor(
    private readonly work: LeasedWork<Item>,
    private readonly lock: WorkerLock,
    private readonly metrics: WorkMetrics,
  ) {
    this.loop = new WorkLoop(
      () => this.pass(),
      (error) => this.logger.warn({ msg: 'could not lease due work', work: work.name, err: error }),
    );
  }

  wake(): void {
    this.loop.wake();
  }

  /** For kinds whose slots become free before their work is done. */
  wakeForMore(): void {
    if (this.mayBeMore) this.loop.wake();
  }

  /** None while due rows wait for slots: they are leased in their turns. */
  grant(max: number): LeaseGrant<Item> | undefined {
    if (this.mayBeMore) return undefined;
    const worker = this.lock.heldBy;
    const limit = Math.min(this.freeSlots, max - this.granted);
    if (worker === undefined || limit <= 0 || this.loop.isStopping) return undefined;
    const lease: Lease = { id: randomUUID(), worker };
    this.granted += limit;
    return {
      lease,
      limit,
      start: (items) => {
        this.granted -= limit;
        if (this.loop.isStopping) return this.releaseLate(items.map((item) => ({ lease, item })));
        for (const item of items) this.start({ lease, item });
        if (items.length < limit) this.wakeForMore();
      },
      abandon: () => {
        this.granted -= limit;
        this.loseLease(lease);
        this.wakeForMore();
      },
    };
  }

  async renewLeases(): Promise<void> {
    if (this.work.renew === undefined || this.running.size === 0) return;
    try {
      const { work } = this;
      await this.inHalves([...this.running.values()], async (held) => work.renew?.(held));
    } catch (error) {
      this.logger.warn({ msg: 'leases not renewed', work: this.work.name, err: error });
    }
  }

  /** Waits up to `milliseconds` for running work, and releases what was not done. */
  async stop(milliseconds: number): Promise<void> {
    const end = performance.now() + milliseconds;
    await this.loop.stop(milliseconds);
    this.work.stop?.();
    await withTimeout(end - performance.now(), Promise.all(this.running.keys()));
    const released = await withTimeout(RELEASE_MILLISECONDS, this.releaseAll());
    if (released.outcome === 'done' && this.running.size === 0) return;
    this.logger.warn({
      msg: 'work was not finished; other workers take it over',
      work: this.work.name,
      running: this.running.size,
    });
  }

  /** The shutdown began while another statement leased `held`. */
  private releaseLate(held: readonly Held<Item>[]): void {
    this.unreleased.push(...held);
    this.releaseAll().catch((error: unknown) =>
      this.logger.warn({ msg: 'leases not released', work: this.work.name, err: error }),
    );
  }

  private async pass(): Promise<boolean> {
    const worker = this.lock.heldBy;
    if (worker === undefined) return false;
    this.mayBeMore = true;
    await this.releaseAll().catch((error: unknown) =>
      this.logger.warn({ msg: 'leases not released', work: this.work.name, err: error }),
    );
    const limit = await this.limitOfPass();
    // A slot that becomes free wakes the loop, and so does a permit.
    if (limit <= 0) return false;
    const lease: Lease = { id: randomUUID(), worker };
    const items = await this.leaseItems(limit, lease);
    this.mayBeMore = items.length >= limit;
    for (const item of items) this.start({ lease, item });
    return false;
  }

  private async leaseItems(limit: number, lease: Lease): Promise<readonly Item[]> {
    try {
      return await this.work.lease(limit, lease);
    } catch (error) {
      this.loseLease(lease);
      throw error;
    }
  }

  private loseLease(lease: Lease): void {
    this.lost.set(lease, performance.now() + LOST_LEASE_MILLISECONDS);
  }

  private async limitOfPass(): Promise<number> {
    const free = this.freeSlots;
    if (free <= 0 || this.work.permitsFor === undefined) return free;
    const permits = await this.work.permitsFor(free + this.granted);
    return Math.min(permits - this.granted, this.freeSlots);
  }

  private get freeSlots(): number {
    return this.work.freeSlots(this.running.size) - this.granted;
  }

  private async releaseAll(): Promise<void> {
    await this.releaseLost();
    const unreleased = this.unreleased.splice(0);
    if (unreleased.length === 0) return;
    try {
      await this.inHalves(unreleased, (held) => this.work.release(held));
    } catch (error) {
      this.unreleased.push(...unreleased);
      throw error;
    }
  }

  private async releaseLost(): Promise<void> {
    const now = performance.now();
    if (this.lost.size === 0 || now - this.lostReleasedAt < LOST_RELEASE_MILLISECONDS) return;
    this.lostReleasedAt = now;
    for (const [lease, until] of this.lost) if (until < now) this.lost.delete(lease);
    await this.work.releaseLost([...this.lost.keys()]);
  }

  /** Writes all but the rows that PostgreSQL refuses to change; their leases run out. */
  private async inHalves(
    held: readonly Held<Item>[],
    write: (held: readonly Held<Item>[]) => Promise<void>,
  ): Promise<void> {
    try {
      await write(held);
    } catch (error) {
      if (classifyDatabaseError(error) !== 'data') throw error;
      if (held.length > 1) {
        const half = Math.ceil(held.length / 2);
        await this.inHalves(held.slice(0, half), write);
        await this.inHalves(held.slice(half), write);
        return;
      }
      const sqlState = sqlStateOf(error);
      this.logger.error({ msg: 'PostgreSQL refuses a row', work: this.work.name, sqlState });
    }
  }

  private start(held: Held<Item>): void {
    const done = this.perform(held).finally(() => {
      this.running.delete(done);
      if (this.mayBeMore || this.unreleased.length > 0) this.loop.wake();
    });
    this.running.set(done, held);
  }

  private async perform(held: Held<Item>): Promise<void> {
    const begin = performance.now();
    let outcome: 'done' | 'released' | 'failed' = 'done';
    try {
      if ((await this.work.perform(held.item, held.lease)) === 'release') outcome = 'released';
    } catch (error) {
      outcome = 'failed';
      this.logger.error({ msg: 'work failed; it is due again', work: this.work.name, err: error });
    }
    if (outcome !== 'done') this.unreleased.push(held);
    this.metrics.recordPerformed(this.work.name, outcome, (performance.now() - begin) / 1000);
  }
}
