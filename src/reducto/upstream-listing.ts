import { Injectable } from '@nestjs/common';
import type { ListedJob } from './answers.js';
import { ReductoClient } from './reducto.client.js';

export interface WalkLimits {
  /** Asks for the requests too, which makes the pages heavy. */
  readonly withConfigs: boolean;
  readonly maxPages: number;
  readonly maxSeconds: number;
  /** Jobs made before this moment (ms since 1970, by Reducto's clock) need not be seen. */
  readonly since: number;
}

/** How a walk ended, and what it proves. */
export interface Walk {
  /** `complete`: every job made since then was seen. `cut`: a limit was reached, or the listing did not end. */
  readonly end: 'complete' | 'cut' | 'unsupported' | 'unavailable';
  readonly calls: number;
  /**
   * All jobs made at or after this moment were seen (ms since 1970); infinite where nothing is
   * proven, because the order is not newest first.
   */
  readonly seenBackTo: number;
  readonly retryAfterSeconds?: number;
}

const PAGE_SIZE = 500;
const PAGE_SIZE_WITH_CONFIGS = 100;

/**
 * Walks through Reducto's listing of all jobs of our key. Neither its order nor its completeness is
 * documented, so the walk watches the order: only newest first lets it stop early and tell that
 * something is not there.
 */
@Injectable()
export class UpstreamListing {
  constructor(private readonly reducto: ReductoClient) {}

  /** Gives each page to `onPage`, which says whether it has seen enough. */
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

/** Whether the jobs came newest first, and how far back that has led. */
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
