/** Marks the log line that ends an outage of the database. */
export const OUTAGE_OVER = Symbol('outage over');

/** Interval between summaries of an outage. */
const INTERVAL_MILLISECONDS = 10_000;
/** Without an error for this long, the outage is over, even if its end was not reported. */
const QUIET_MILLISECONDS = 15_000;
const MAX_MESSAGES = 20;

/** Fields of a log line about an outage. */
export interface OutageSummary {
  readonly seconds: number;
  /** Requests answered with 503. */
  readonly requestsRefused: number;
  /** Suppressed lines, by message. */
  readonly leftOut: Readonly<Record<string, number>>;
}

/**
 * Summarizes log lines that say that the database is unavailable: an outage under load would write thousands of stacks.
 * Writes the first line, a summary every 10 s, and one at the end.
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

  /** Counts a line. Returns whether to `write` it, to write a `summary` instead, or (`undefined`) to suppress it. */
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

  /** Counts a request answered with 503, whose line is suppressed. */
  countRequest(): void {
    this.requestsRefused += 1;
  }

  /** Ends the outage; `undefined` if there was none. */
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
