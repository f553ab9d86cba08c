import { performance } from 'node:perf_hooks';
import { PriorityQueue } from '@datastructures-js/priority-queue';

export type ClockTask = () => void | Promise<void>;

export interface ClockTimer {
  cancel(): void;
}

interface Entry {
  dueAt: number;
  order: number;
  task: ClockTask | undefined;
}

/** setTimeout overflows beyond 2^31-1 ms; the clock re-arms its timer for longer waits. */
const MAX_REAL_TIMER_MS = 2_000_000_000;

/**
 * The sandbox's virtual time. It schedules job transitions, webhook retries, and link expiry, so a
 * test can advance twelve hours with one call. `speed` is virtual milliseconds per real millisecond;
 * at 0, only `advance()` moves the clock.
 */
export class VirtualClock {
  #speed: number;
  #virtualBase = Date.now();
  #realBase = performance.now();
  #advancing = false;
  /** Ordered by due time. A cancelled entry stays in the queue without its task. */
  readonly #queue = new PriorityQueue<Entry>((a, b) => a.dueAt - b.dueAt || a.order - b.order);
  #order = 0;
  #timer: NodeJS.Timeout | undefined;
  #advances: Promise<void> = Promise.resolve();

  constructor(speed = 1) {
    this.#speed = speed;
  }

  get speed(): number {
    return this.#speed;
  }

  /** Virtual time in epoch milliseconds. */
  now(): number {
    if (this.#advancing) return this.#virtualBase;
    return this.#virtualBase + (performance.now() - this.#realBase) * this.#speed;
  }

  setSpeed(speed: number): void {
    this.#rebase(this.now());
    this.#speed = speed;
    this.#arm();
  }

  after(delayMs: number, task: ClockTask): ClockTimer {
    const dueAt = this.now() + Math.max(0, delayMs);
    const entry: Entry = { dueAt, order: this.#order++, task };
    this.#queue.enqueue(entry);
    if (this.#queue.front() === entry) this.#arm();
    return {
      cancel: () => {
        entry.task = undefined;
      },
    };
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }

  /**
   * Moves time forward and runs the due tasks in order, each at its due time. Resolves when they have
   * finished: after `await advance(10_000)`, three webhook retries have been sent.
   */
  advance(ms: number): Promise<void> {
    this.#advances = this.#advances.then(() => this.#step(ms));
    return this.#advances;
  }

  /** Discards all scheduled tasks. */
  clear(): void {
    this.#queue.clear();
    clearTimeout(this.#timer);
  }

  async #step(ms: number): Promise<void> {
    const target = this.now() + ms;
    this.#rebase(this.now());
    this.#advancing = true;
    try {
      for (let next = this.#next(target); next !== undefined; next = this.#next(target)) {
        this.#virtualBase = Math.max(this.#virtualBase, next.dueAt);
        await this.#run(next);
      }
    } finally {
      this.#advancing = false;
      this.#rebase(target);
      this.#arm();
    }
  }

  #rebase(virtualNow: number): void {
    this.#virtualBase = virtualNow;
    this.#realBase = performance.now();
  }

  /** Removes and returns the first entry that is due at `by`. */
  #next(by: number): Entry | undefined {
    const next = this.#queue.front();
    return next !== null && next.dueAt <= by ? (this.#queue.dequeue() ?? undefined) : undefined;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const next = this.#queue.front();
    if (next === null || this.#advancing) return;
    const wait = next.dueAt - this.now();
    if (wait > 0 && this.#speed === 0) return;
    const realWait = wait <= 0 ? 0 : wait / this.#speed;
    this.#timer = setTimeout(() => this.#runDue(), Math.min(realWait, MAX_REAL_TIMER_MS));
    // A scheduled retry must not keep the process alive after the server has closed.
    this.#timer.unref();
  }

  #runDue(): void {
    if (this.#advancing) return;
    const now = this.now();
    for (let next = this.#next(now); next !== undefined; next = this.#next(now)) {
      void this.#run(next);
    }
    this.#arm();
  }

  async #run(entry: Entry): Promise<void> {
    try {
      await entry.task?.();
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
