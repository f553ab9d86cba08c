import { Injectable } from '@nestjs/common';
import type { ListedJob } from '../../reducto/answers.js';
import { UpstreamListing, type Walk } from '../../reducto/upstream-listing.js';
import { JobQueries } from '../persistence/job-queries.store.js';
import { CallbackTokenService } from '../callback-token.service.js';
import { jobIdsOf } from './upstream-metadata.js';

/** A job whose submit may have reached Reducto. */
export interface SearchedJob {
  readonly id: string;
  readonly sinceSubmitSeconds: number;
}

/** What Reducto's listing says about a submit whose answer was lost. */
export type SearchResult =
  | { readonly kind: 'found'; readonly upstreamId: string }
  /** Every job of that time was seen, and each is known to be another. */
  | { readonly kind: 'absent' }
  /** The listing does not tell: it hides the requests, has no end, or there is none. */
  | { readonly kind: 'undecided' }
  | { readonly kind: 'unavailable'; readonly retryAfterSeconds?: number };

const MAX_PAGES = 30;
const MAX_SECONDS = 30;

/** Allowed clock skew between Reducto and the database. */
const CLOCK_SLACK_SECONDS = 900;

/**
 * Searches for jobs that submits may have made, by the gateway's job id in the request that Reducto
 * remembers: one walk through the listing for all of them.
 */
@Injectable()
export class UpstreamSearch {
  constructor(
    private readonly listing: UpstreamListing,
    private readonly queries: JobQueries,
    private readonly tokens: CallbackTokenService,
  ) {}

  /** The result for each of `sought`, by its id. */
  async findJobs(sought: readonly SearchedJob[]): Promise<Map<string, SearchResult>> {
    const since = new Map(sought.map((job) => [job.id, earliest(job.sinceSubmitSeconds)]));
    const found = new Map<string, SearchResult>();
    const hidden: ListedJob[] = [];
    const silent: ListedJob[] = [];
    let echoes = false;
    const limits = { withConfigs: true, maxPages: MAX_PAGES, maxSeconds: MAX_SECONDS };
    const walk = await this.listing.walkListing(
      { ...limits, since: Math.min(...since.values()) },
      (jobs) => {
        for (const job of jobs) {
          const ids = jobIdsOf(job.rawConfig ?? '', this.tokens);
          echoes ||= ids.length > 0;
          if (job.rawConfig === null) hidden.push(job);
          else if (ids.length === 0) silent.push(job);
          for (const id of ids) {
            if (since.has(id)) found.set(id, { kind: 'found', upstreamId: job.upstreamId });
          }
        }
        return found.size === since.size;
      },
    );
    // If no listed request shows a gateway id, the deployment may leave out metadata.
    const suspects = await this.unknown(echoes ? hidden : [...hidden, ...silent]);
    for (const [id, from] of since) {
      if (!found.has(id)) found.set(id, judge(walk, from, suspects));
    }
    return found;
  }

  /** Listed jobs without an owner that are not known as upstream jobs of other jobs. */
  private async unknown(hidden: readonly ListedJob[]): Promise<ListedJob[]> {
    const known = await this.queries.knownUpstreamIds(hidden.map((job) => job.upstreamId));
    return hidden.filter((job) => !known.has(job.upstreamId));
  }
}

/** "Absent" is said only where it was seen to be so. */
function judge(walk: Walk, from: number, suspects: readonly ListedJob[]): SearchResult {
  if (walk.end === 'unavailable') {
    const { retryAfterSeconds } = walk;
    return {
      kind: 'unavailable',
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    };
  }
  const seenAll = walk.seenBackTo < from && walk.end !== 'unsupported';
  const mayBeOneOf = suspects.some(
    ({ createdAt }) => createdAt === null || createdAt.getTime() >= from,
  );
  return { kind: seenAll && !mayBeOneOf ? 'absent' : 'undecided' };
}

function earliest(sinceSubmitSeconds: number): number {
  return Date.now() - (sinceSubmitSeconds + CLOCK_SLACK_SECONDS) * 1000;
}
