/** What the load generator is to do. It crosses a process border, so it is plain data. */
export interface LoadPlan {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A file with one body per line. */
  readonly bodies: string;
  /** Number of addresses in `X-Forwarded-For`, one after the other; absent: none. */
  readonly addresses?: number;
  /**
   * The generator never sleeps. On a virtual machine an answer to a sleeping CPU costs the server that sends it some
   * 15 µs more, and a slower server lets the generator sleep more often.
   */
  readonly awake?: boolean;
  /** Begins again with the first body after the last; otherwise the turn ends there. */
  readonly again: boolean;
  /** The status of a good answer; any other is counted as wrong. */
  readonly expected: number;
  readonly connections: number;
  readonly seconds: number;
  /**
   * Requests per second at their appointed times, whatever the server does; a latency begins at the
   * appointed time. Without it every connection sends as soon as it has its answer.
   */
  readonly perSecond?: number;
}

export interface LoadResult {
  readonly answers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Other statuses than the expected one, with their counts. */
  readonly wrong: Readonly<Record<string, number>>;
  /** How busy the generator itself was: near 1 it, and not the server, is what was measured. */
  readonly generatorBusy: number;
}
