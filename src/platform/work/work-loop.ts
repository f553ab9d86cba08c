import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { withTimeout } from '../with-timeout.js';

/** Event loop utilization above which deferrable work pauses. */
const BUSY = 0.8;
/** Deferrable work then gets a fifth of the time. */
const PAUSE_PER_WORK = 4;
const MAX_PAUSE_MILLISECONDS = 500;
/** A pause ends early when the thread was not busy for this long. */
const SLICE_MILLISECONDS = 20;

/** Repeats a pass for as long as there is something to do, and again when it is woken; never two at a time. */
export class WorkLoop {
  private running: Promise<void> | undefined;
  private wanted = false;
  private readonly stopping = new AbortController();

  /**
   * @param pass resolves to whether there may be more to do at once.
   * @param onError hears of a pass that broke off; the next one comes when the loop is woken, or was woken during it.
   * @param yieldsWhenBusy whether it pauses between passes while the thread is busy, for what others wait for.
   */
  constructor(
    private readonly pass: () => Promise<boolean>,
    private readonly onError: (error: unknown) => void,
    private readonly yieldsWhenBusy = false,
  ) {}

  get isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  wake(): void {
    this.wanted = true;
    if (this.stopping.signal.aborted) return;
    this.running ??= this.run().finally(() => {
      this.running = undefined;
      if (this.wanted && !this.stopping.signal.aborted) this.wake();
    });
  }

  /** Begins no further pass, and waits up to `milliseconds` for the one that runs. */
  async stop(milliseconds: number): Promise<void> {
    this.stopping.abort();
    await withTimeout(milliseconds, this.running ?? Promise.resolve());
  }

  private async run(): Promise<void> {
    while (this.wanted && !this.stopping.signal.aborted) {
      this.wanted = false;
      const begin = performance.now();
      const before = performance.eventLoopUtilization();
      try {
        if (await this.pass()) this.wanted = true;
      } catch (error) {
        this.onError(error);
      }
      if (!this.yieldsWhenBusy) continue;
      const { utilization } = performance.eventLoopUtilization(before);
      await this.pause(pauseAfter(performance.now() - begin, utilization));
    }
  }

  private async pause(milliseconds: number): Promise<void> {
    const { signal } = this.stopping;
    for (let left = milliseconds; left > 0 && !signal.aborted; left -= SLICE_MILLISECONDS) {
      const before = performance.eventLoopUtilization();
      const slice = Math.min(left, SLICE_MILLISECONDS);
      await setTimeout(slice, undefined, { signal }).catch(() => undefined);
      if (performance.eventLoopUtilization(before).utilization < BUSY) return;
    }
  }
}

/**
 * How long work that took `milliseconds` stays away, where the thread was busy for the share `utilization` of that time;
 * 0 where it was not.
 */
export function pauseAfter(milliseconds: number, utilization: number): number {
  if (utilization < BUSY) return 0;
  return Math.min(milliseconds * PAUSE_PER_WORK, MAX_PAUSE_MILLISECONDS);
}
