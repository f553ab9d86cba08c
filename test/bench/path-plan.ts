/** What the two ends of the path do in one turn. */
export interface PathPlan {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly jobs: number;
  readonly connections: number;
  /** Approximate size of each result. */
  readonly resultBytes: number;
}

export interface PathProgress {
  accepted: number;
  submitted: number;
  calledBack: number;
  polled: number;
  readonly failures: string[];
}
