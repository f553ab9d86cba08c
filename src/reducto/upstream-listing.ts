import { Injectable } from '@nestjs/common';
import type { ListedJob } from './answers.js';
import { ReductoClient } from './reducto.client.js';

export interface WalkLimits {
  /** Includes the requests, which makes the pages large. */
  readonly withConfigs: boolean;
  readonly maxPages: number;
  readonly maxSeconds: number;
  /** The walk may stop at jobs created before this time (Unix ms, by Reducto’s clock). */
  readonly since: number;
}

/** Outcome of a walk. */
export interface Walk {
  /** `complete`: all jobs since then were seen. `cut`: a limit was reached. */
  readonly end: 'complete' | 'cut' | 'unsupported' | 'unavailable';
  readonly calls: number;
  /** All jobs created since this time (Unix ms) were seen; infinite if the order is not newest first. */
  readonly seenBackTo: number;
  readonly retryAfterSeconds?: number;
}

const PAGE_SIZE = 500;
const PAGE_SIZE_WITH_CONFIGS = 100;

/**
 * Reads Reducto’s listing of all jobs of the API key. Its order is not documented, so the walk checks it: only
 * newest first allows an early stop and proves absence.
 */
@Injectable()
export class UpstreamListing {
  constructor(private readonly reducto: ReductoClient) {}

  /** Passes each page to `onPage`, which returns true to stop. */
  async walkListing(
    limits: WalkLimits,
    onPage: (jobs: readonly ListedJob[]) => boolean,
  ): Promise<Walk> {
    const begin = performance.now();
    const size = limits.withConfigs ? PAGE_SIZE_WITH_CONFIGS : PAGE_SIZE;
    const order = new Descent();
    const cursors = new Set<string | null>();
    let cursor: string | null = null;
    for (let calls = 1; ; calls++) {
      const answer = await this.reducto.listJobs(cursor, limits.withConfigs, size);
      if (answer.kind !== 'page') {
        const { kind: end, ...detail } = answer;
        const retry = 'retryAfterSeconds' in detail ? detail.retryAfterSeconds : undefined;
        const wait = retry === undefined ? {} : { retryAfterSeconds: retry };
        return { end, calls, seenBackTo: order.reached, ...wait };
      }
      for (const job of answer.jobs) order.see(job);
      const enough = onPage(answer.jobs);
      if (answer.nextCursor === null) return { end: 'complete', calls, seenBackTo: -Infinity };
      if (order.reached < limits.since)
        return { end: 'complete', calls, seenBackTo: order.reached };
      cursors.add(cursor);
      cursor = answer.nextCursor;
      const spent =
        calls >= limits.maxPages || performance.now() - begin > limits.maxSeconds * 1000;
      if (enough || spent || cursors.has(cursor)) {
        return { end: 'cut', calls, seenBackTo: order.reached };
      }
    }
  }
}

/** Tracks whether the jobs are sorted newest first, and how far back. */
class Descent {
  private previous = Infinity;
  private descending = true;

  see({ createdAt }: ListedJob): void {
    const time = createdAt?.getTime() ?? Number.NaN;
    // NaN compares as false: a job without a date proves nothing about the order.
    this.descending &&= time <= this.previous;
    this.previous = time;
  }

  get reached(): number {
    return this.descending ? this.previous : Infinity;
  }
}
