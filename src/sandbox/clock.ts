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

/** setTimeout overflows beyond 2^31-1 ms; a longer wait is simply armed again when this one ends. */
const LONGEST_REAL_TIMER_MS = 2_000_000_000;

/**
 * The platform's own time. Everything that Reducto would do "later" (finish a job, retry a webhook,
 * expire a link) is planned here, so that a test can cross twelve hours with one call.
 *
 * `speed` is virtual milliseconds per real millisecond; 0 freezes the clock, which then moves by
 * `advance()` only.
 */
export class VirtualClock {
  #speed: number;
  #virtualBase = Date.now();
  #realBase = performance.now();
  #advancing = false;
  /** The next one first. What was cancelled stays in it, without a task. */
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
   * Moves time forward and runs what falls due on the way, in order, each task at its own moment and
   * to its end: after `await advance(10_000)` three webhook retries have really been sent.
   */
  advance(ms: number): Promise<void> {
    this.#advances = this.#advances.then(() => this.#step(ms));
    return this.#advances;
  }

  /** Forgets everything planned. */
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

  /** Takes out what is due first, if it is due by then. */
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
    this.#timer = setTimeout(() => this.#runDue(), Math.min(realWait, LONGEST_REAL_TIMER_MS));
    // A planned retry must not keep a process alive whose server has been closed.
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
