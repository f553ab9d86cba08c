const INTERVAL_MILLISECONDS = 10_000;

/** For events that come by the thousand: the first of a kind is worth a line, the others a count every 10 s. */
export class RepeatedEvents {
  private readonly counts = new Map<string, number>();

  /** @param writeCount writes how many events of `kind` have followed since the last line. */
  constructor(private readonly writeCount: (kind: string, count: number) => void) {}

  /** Whether the event is the first of its kind; otherwise it is counted. Kinds must be few. */
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
