const INTERVAL_MILLISECONDS = 10_000;

/** Limits the log of frequent events: one line for the first of a kind, then a count every 10 s. */
export class RepeatedEvents {
  private readonly counts = new Map<string, number>();

  /** @param writeCount logs the number of events of `kind` since its last line */
  constructor(private readonly writeCount: (kind: string, count: number) => void) {}

  /** Returns whether the event is the first of its kind; counts it otherwise. There must be few kinds. */
  isFirst(kind: string): boolean {
    const count = this.counts.get(kind);
    this.counts.set(kind, count === undefined ? 0 : count + 1);
    if (count === undefined) this.schedule(kind);
    return count === undefined;
  }

  private schedule(kind: string): void {
    setTimeout(() => {
      const count = this.counts.get(kind) ?? 0;
      this.counts.delete(kind);
      if (count === 0) return;
      this.writeCount(kind, count);
      this.counts.set(kind, 0);
      this.schedule(kind);
    }, INTERVAL_MILLISECONDS).unref();
  }
}
