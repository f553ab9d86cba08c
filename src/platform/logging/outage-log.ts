/** Marks the log line that ends an outage of the database. */
export const OUTAGE_OVER = Symbol('outage over');

/** How often a lasting outage is logged. */
const INTERVAL_MILLISECONDS = 10_000;
/** An outage whose end nobody has reported is over after this time without an error. */
const QUIET_MILLISECONDS = 15_000;
const MAX_MESSAGES = 20;

/** What a log line says of an outage. */
export interface OutageSummary {
  readonly seconds: number;
  /** Requests that were refused with a 503. */
  readonly requestsRefused: number;
  /** Lines that were left out, by message. */
  readonly leftOut: Readonly<Record<string, number>>;
}

/**
 * Sums up log lines that all say the same: the database is not available. An outage of 24 s under load would
 * write thousands of stacks otherwise. The first line is written as it is, then one summary every 10 s, and one at the end.
 */
export class OutageLog {
  private beganAt = 0;
  private summedUpAt = 0;
  private lastAt = -Infinity;
  private requestsRefused = 0;
  private readonly leftOut = new Map<string, number>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  get isActive(): boolean {
    return this.now() - this.lastAt < QUIET_MILLISECONDS;
  }

  /** Counts a line: `write` it as it is, write a `summary` in its place, or leave it out (`undefined`). */
  count(message: string): 'write' | OutageSummary | undefined {
    const now = this.now();
    if (!this.isActive) this.begin(now);
    const isFirst = this.lastAt === -Infinity;
    this.lastAt = now;
    if (isFirst) return 'write';
    const isKnown = this.leftOut.has(message) || this.leftOut.size < MAX_MESSAGES;
    const key = isKnown ? message : 'other lines';
    this.leftOut.set(key, (this.leftOut.get(key) ?? 0) + 1);
    if (now - this.summedUpAt < INTERVAL_MILLISECONDS) return undefined;
    this.summedUpAt = now;
    return this.summary();
  }

  /** Counts a request that was refused with a 503; its line is left out. */
  countRequest(): void {
    this.requestsRefused += 1;
  }

  /** Ends the outage; `undefined` where there was none. */
  end(): OutageSummary | undefined {
    if (this.lastAt === -Infinity) return undefined;
    const summary = this.summary();
    this.lastAt = -Infinity;
    return summary;
  }

  private begin(now: number): void {
    this.lastAt = -Infinity;
    this.beganAt = now;
    this.summedUpAt = now;
    this.requestsRefused = 0;
    this.leftOut.clear();
  }

  private summary(): OutageSummary {
    return {
      seconds: Math.round((this.now() - this.beganAt) / 100) / 10,
      requestsRefused: this.requestsRefused,
      leftOut: Object.fromEntries(this.leftOut),
    };
  }
}
