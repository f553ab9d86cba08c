import { awaitAtMost } from '../platform/patience.js';

/** Repeats a pass for as long as there is something to do, and again when it is woken; never two at a time. */
export class WokenLoop {
  private running: Promise<void> | undefined;
  private wanted = false;
  private stopping = false;

  /**
   * @param pass resolves to whether there may be more to do at once.
   * @param onError hears of a pass that broke off; the next one comes when the loop is woken.
   */
  constructor(
    private readonly pass: () => Promise<boolean>,
    private readonly onError: (error: unknown) => void,
  ) {}

  wake(): void {
    this.wanted = true;
    if (this.stopping) return;
    this.running ??= this.run().finally(() => {
      this.running = undefined;
      if (this.wanted && !this.stopping) this.wake();
    });
  }

  /** Begins no further pass, and waits up to `milliseconds` for the one that runs. */
  async stop(milliseconds: number): Promise<void> {
    this.stopping = true;
    await awaitAtMost(milliseconds, this.running ?? Promise.resolve());
  }

  private async run(): Promise<void> {
    while (this.wanted && !this.stopping) {
      this.wanted = false;
      try {
        if (await this.pass()) this.wanted = true;
      } catch (error) {
        this.wanted = false;
        this.onError(error);
      }
    }
  }
}
