import { Injectable } from '@nestjs/common';
import type { ListedJob } from './answers.js';
import { ReductoClient } from './reducto.client.js';

export interface WalkLimits {
  /** Includes the requests, which makes the pages large. */
  readonly withConfigs: boolean;
  readonly maxPages: number;
  readonly maxSeconds: number;
}

/** Outcome of a walk. */
export interface Walk {
  /** `complete`: the last page was read. `stopped`: `onPage` needed no more. `cut`: a limit was reached. */
  readonly end: 'complete' | 'stopped' | 'cut' | 'unsupported' | 'unavailable';
  readonly calls: number;
  readonly retryAfterSeconds?: number;
}

/**
 * Page sizes. The second is no multiple of the first: a job that is hidden between two pages of one walk is inside
 * of a page of the other.
 */
const PAGE_SIZE = 500;
const PAGE_SIZE_WITH_CONFIGS = 99;

/** Reads Reducto’s listing of all jobs of the API key, page by page. */
@Injectable()
export class UpstreamListing {
  constructor(private readonly reducto: ReductoClient) {}

  /** Passes each page to `onPage`, which returns true to stop. */
  async walkListing(
    limits: WalkLimits,
    onPage: (jobs: readonly ListedJob[]) => boolean | Promise<boolean>,
  ): Promise<Walk> {
    const begin = performance.now();
    const size = limits.withConfigs ? PAGE_SIZE_WITH_CONFIGS : PAGE_SIZE;
    const cursors = new Set<string | null>();
    let cursor: string | null = null;
    for (let calls = 1; ; calls++) {
      const answer = await this.reducto.listJobs(cursor, limits.withConfigs, size);
      if (answer.kind !== 'page') {
        const { kind: end, ...detail } = answer;
        const retry = 'retryAfterSeconds' in detail ? detail.retryAfterSeconds : undefined;
        return { end, calls, ...(retry === undefined ? {} : { retryAfterSeconds: retry }) };
      }
      const enough = await onPage(answer.jobs);
      if (answer.nextCursor === null) return { end: 'complete', calls };
      if (enough) return { end: 'stopped', calls };
      cursors.add(cursor);
      cursor = answer.nextCursor;
      const spent =
        calls >= limits.maxPages || performance.now() - begin > limits.maxSeconds * 1000;
      if (spent || cursors.has(cursor)) return { end: 'cut', calls };
    }
  }
}
