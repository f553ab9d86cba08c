import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { PermitPool, type HeldPermit } from './rate-limit/permit-pool.js';
import type { LimiterState, UpstreamRateStore } from './rate-limit/upstream-rate.store.js';
import type { LimitedCall, UpstreamMetrics } from './upstream.metrics.js';

/** Permission to call Reducto now, or how long to wait. */
export type Permit =
  { readonly granted: true } | { readonly granted: false; readonly seconds: number };

/** A permit that a caller will need. */
export interface PermitClaim {
  /** Waits for the permit. To be called just before the request. */
  spend(): Promise<Permit>;
  /** Leaves the permit to others if it was not spent. */
  giveBack(): void;
}

/** Longest wait for a permit; beyond it the caller is refused. */
const MAX_WAIT_SECONDS = 5;
/** How far ahead permits are taken for work that is not yet leased. */
const AHEAD_SECONDS = 0.5;
/** How long a refusal of the database is believed; a lost notification costs no more. */
const MAX_REFUSED_SECONDS = 1;
/** Cache lifetime of the state. */
const STATE_READ_MILLISECONDS = 200;

type Held = HeldPermit | { readonly seconds: number };

interface Waiting {
  readonly resolve: (held: Held) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Rate limiter for one kind of request, shared by all processes: Reducto’s limits are per API key, so the state is one
 * row in the database. A process takes permits in blocks, evenly spaced, and spends them by itself. A failure (no
 * answer, 429, 5xx, unusable answer) starts a cool-down for everybody, longer each time; then single requests probe
 * until one succeeds.
 */
export class RequestLimiter {
  private readonly logger = new Logger(RequestLimiter.name);
  private readonly pool: PermitPool;
  private waiting: Waiting[] = [];
  private taking: Promise<void> | undefined;
  /** Until when the database has no permits, by `performance.now()`. */
  private refusedUntil = -Infinity;
  private wakeTimer: NodeJS.Timeout | undefined;
  /** Changes when permits taken so far must not be spent. */
  private epoch = 0;
  private state: { readonly readAt: number; readonly value: Promise<LimiterState> } | undefined;
  private isUnavailable = false;
  private listener: () => void = () => undefined;

  /** @param announce tells all processes that a cool-down began or ended. */
  constructor(
    private readonly call: LimitedCall,
    private readonly store: UpstreamRateStore,
    private readonly metrics: UpstreamMetrics,
    perSecond: number,
    private readonly announce: () => void,
  ) {
    this.pool = new PermitPool(perSecond);
  }

  /** Calls `listener` when there may be permits again. */
  onPermits(listener: () => void): void {
    this.listener = listener;
  }

  /** Number of requests, up to `wanted`, that may be claimed now. If it is 0, `onPermits` tells when to ask again. */
  async permitsFor(wanted: number): Promise<number> {
    let available = this.pool.available(performance.now());
    if (available === 0) {
      if (performance.now() < this.refusedUntil) return 0;
      await this.takeBlocks();
      available = this.pool.available(performance.now());
      // Requests under way needed the whole block.
      if (available === 0 && performance.now() >= this.refusedUntil) this.refuseFor(0);
    }
    return Math.min(wanted, available);
  }

  /** Number of permits that need no statement. */
  get available(): number {
    return this.pool.available(performance.now());
  }

  /** Claims a permit at once; the claim waits for it. */
  claimPermit(): PermitClaim {
    let held: Held | undefined = this.pool.claim(performance.now());
    let epoch = this.epoch;
    this.takeAhead();
    const spend = async (): Promise<Permit> => {
      const begin = performance.now();
      for (;;) {
        if (held === undefined) {
          held = this.pool.claim(performance.now()) ?? (await this.waitForPermit());
          epoch = this.epoch;
        }
        if ('seconds' in held) return { granted: false, seconds: held.seconds };
        const wait = held.at - performance.now();
        if (wait >= 1) await sleep(wait);
        const now = performance.now();
        const isValid = epoch === this.epoch && now <= held.until;
        held = undefined;
        if (isValid) {
          this.metrics.recordPermit(this.call, (now - begin) / 1000);
          return { granted: true };
        }
        if (now - begin > MAX_WAIT_SECONDS * 1000) return { granted: false, seconds: 0.1 };
      }
    };
    const giveBack = (): void => {
      if (held !== undefined && !('seconds' in held) && epoch === this.epoch)
        this.pool.giveBack(held);
      held = undefined;
    };
    return { spend, giveBack };
  }

  /** Resolves to a permit, or to how long to wait. */
  acquirePermit(): Promise<Permit> {
    return this.claimPermit().spend();
  }

  /**
   * Gives `count` unclaimed permits back to the database. Only at low rates, where a process that is idle would
   * otherwise waste the permits of the others.
   */
  async returnUnused(count: number): Promise<void> {
    if (this.pool.maxReserved > 0) return;
    const removed = this.pool.removeLast(count, performance.now());
    if (removed !== undefined) await this.store.returnPermits(removed.count, removed.end);
  }

  /** How many requests may begin: none in a cool-down, one while a probe is due after failures. */
  async allowance(): Promise<number> {
    const { isCooling, isProbing } = await this.readState();
    if (isCooling) return 0;
    return isProbing ? 1 : Infinity;
  }

  /** When requests are allowed again; null where they are. */
  async coolDownUntil(): Promise<Date | null> {
    return (await this.readState()).until;
  }

  /**
   * Call with the outcome of each request and its duration. `retryAfterSeconds`: as Reducto asked. `isPersistent`: an
   * operator has to act, so that only probes follow.
   */
  async reportOutcome(
    outcome: 'answered' | 'unavailable',
    { seconds = 0, retryAfterSeconds = 0, isPersistent = false } = {},
  ): Promise<void> {
    if (outcome === 'answered') {
      if (!this.isUnavailable) return;
      if (!(await this.store.endCoolDown(seconds))) return;
      this.isUnavailable = false;
      this.announce();
      return;
    }
    this.isUnavailable = true;
    this.dropPermits();
    const begun = await this.store.beginCoolDown(retryAfterSeconds, isPersistent);
    // Those that were taken meanwhile.
    this.dropPermits();
    // Otherwise another caller reported the same failure, and the cool-down has begun.
    if (begun === undefined) return;
    this.announce();
    this.metrics.recordCoolDown(this.call);
    this.logger.warn({ msg: 'Reducto unavailable; requests back off', call: this.call, ...begun });
  }

  /** A cool-down began or ended, or messages about that may have been missed. */
  stateChanged(): void {
    this.dropPermits();
    this.listener();
  }

  private dropPermits(): void {
    this.pool.clear();
    this.epoch += 1;
    this.state = undefined;
    this.refusedUntil = -Infinity;
  }

  private readState(): Promise<LimiterState> {
    const now = performance.now();
    if (this.state === undefined || now - this.state.readAt > STATE_READ_MILLISECONDS) {
      this.state = { readAt: now, value: this.store.readState() };
      this.state.value.catch(() => (this.state = undefined));
    }
    return this.state.value;
  }

  private waitForPermit(): Promise<Held> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.takeBlocks().catch(() => undefined);
    });
  }

  /** Takes the next block before the last permit of this one is claimed. */
  private takeAhead(): void {
    const now = performance.now();
    if (this.taking !== undefined || now < this.refusedUntil || !this.pool.isLow(now)) return;
    // The next lease or request reports an error of the database.
    this.takeBlocks().then(this.listener, () => undefined);
  }

  private takeBlocks(): Promise<void> {
    this.taking ??= this.takeWhileWaiting().finally(() => {
      this.taking = undefined;
      if (this.waiting.length > 0) this.takeBlocks().catch(() => undefined);
    });
    return this.taking;
  }

  private async takeWhileWaiting(): Promise<void> {
    do {
      const waiting = this.waiting.length;
      try {
        await this.takeBlock(waiting);
      } catch (error) {
        for (const { reject } of this.waiting.splice(0)) reject(error);
        throw error;
      }
    } while (this.waiting.length > 0);
  }

  private async takeBlock(waiting: number): Promise<void> {
    const { epoch } = this;
    const count = this.isUnavailable ? 1 : this.pool.nextBlockSize(waiting, performance.now());
    const taken = await this.store.takeBlock(count, waiting > 0 ? MAX_WAIT_SECONDS : AHEAD_SECONDS);
    const now = performance.now();
    if (!('count' in taken)) {
      const seconds = Math.max(taken.seconds, 0.1);
      for (const { resolve } of this.waiting.splice(0, waiting)) resolve({ seconds });
      if (waiting === 0) this.refuseFor(taken.seconds - AHEAD_SECONDS);
      return;
    }
    this.isUnavailable = taken.failures > 0;
    // Other callers learned meanwhile that Reducto is unavailable.
    if (epoch !== this.epoch) return;
    const at = now + taken.wait * 1000;
    const { count: size, end } = taken;
    this.pool.addBlock({ at, spacing: taken.spacing * 1000, count: size, end }, now);
    while (this.waiting.length > 0) {
      const held = this.pool.claim(now);
      if (held === undefined) break;
      this.waiting.shift()?.resolve(held);
    }
  }

  private refuseFor(seconds: number): void {
    const milliseconds = Math.min(Math.max(seconds, 0.01), MAX_REFUSED_SECONDS) * 1000;
    this.refusedUntil = performance.now() + milliseconds;
    clearTimeout(this.wakeTimer);
    this.wakeTimer = setTimeout(() => this.listener(), milliseconds);
    this.wakeTimer.unref();
  }
}
