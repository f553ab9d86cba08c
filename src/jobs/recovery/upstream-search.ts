import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import type { ListedJob } from '../../reducto/answers.js';
import { UpstreamListing, type Walk } from '../../reducto/upstream-listing.js';
import { isJobId } from '../job.entity.js';
import { JobQueries, type KnownSubmit } from '../persistence/job-queries.store.js';
import { OrphanedJobs } from '../deletion/orphaned-jobs.js';
import type { FoundUpstream } from '../deletion/job-deletion.store.js';
import { CallbackTokenService } from '../callback-token.service.js';
import { isWholeRequest, jobIdsOf } from './upstream-metadata.js';
import { WalkRecord, type Attempt, type SeenJob } from './walk-record.js';

/** A job whose submit may have reached Reducto. */
export interface SearchedJob extends Attempt {
  readonly id: string;
  /** It may have been a synchronous classify call, whose request has no gateway id. */
  readonly mayBeUnmarked: boolean;
}

/** What Reducto's listing says about a submit whose answer was lost. */
export type SearchResult =
  | { readonly kind: 'found'; readonly upstreamId: string }
  /** Every job of that time was seen, and each is known to be another. */
  | { readonly kind: 'absent' }
  /** The listing does not tell: it hides the requests, has no end, or there is none. */
  | { readonly kind: 'undecided' }
  | { readonly kind: 'unavailable'; readonly retryAfterSeconds?: number };

/** How the listing shows an entry. `unmarked`: the whole request, without a gateway id. */
interface Entry extends SeenJob {
  readonly request: 'marked' | 'unmarked' | 'hidden';
  readonly type: string | null;
}

/** What a walk through the listing has shown. */
interface Shown {
  readonly walk: Walk;
  readonly record: WalkRecord<Entry>;
  /** Upstream ids by the ids of the sought jobs. */
  readonly found: ReadonlyMap<string, string>;
}

/** What a walk has found so far. */
interface Found {
  readonly sought: ReadonlySet<string>;
  readonly upstreamIds: Map<string, string>;
  /** Upstream jobs that the gateway does not know, of jobs that it does not search for. */
  readonly others: FoundUpstream[];
}

const FIRST_WALK = { withConfigs: true, maxPages: 30, maxSeconds: 30 };
const SECOND_WALK = { withConfigs: false, maxPages: 10, maxSeconds: 30 };
/** Maximum number of the gateway’s own new jobs that the listing must show. */
const MAX_EXPECTED = 1000;

/**
 * Searches for jobs that submits may have made, by the gateway's job id in the request that Reducto
 * remembers: one walk through the listing for all of them.
 */
@Injectable()
export class UpstreamSearch {
  constructor(
    private readonly settings: Settings,
    private readonly listing: UpstreamListing,
    private readonly queries: JobQueries,
    private readonly tokens: CallbackTokenService,
    private readonly orphans: OrphanedJobs,
  ) {}

  /** The result for each of `sought`, by its id. */
  async findJobs(sought: readonly SearchedJob[]): Promise<Map<string, SearchResult>> {
    const { UNCERTAIN_LISTING_LAG_SECONDS: lag } = this.settings;
    const expected = await this.queries.findListedSince(earliest(sought), lag, MAX_EXPECTED);
    const shown = await this.walk(sought);
    const missing = sought.filter(({ id }) => !shown.found.has(id));
    const absent = new Set(await this.findAbsent(shown, missing, expected));
    // One page is one moment; between two pages, jobs may have moved.
    const proof: SearchResult =
      absent.size === 0 || shown.walk.calls === 1
        ? { kind: 'absent' }
        : await this.confirm(shown.record, [...absent]);
    const otherwise = failureOf(shown.walk) ?? { kind: 'undecided' };
    const results = new Map<string, SearchResult>();
    for (const job of sought) {
      const upstreamId = shown.found.get(job.id);
      if (upstreamId === undefined) results.set(job.id, absent.has(job) ? proof : otherwise);
      else results.set(job.id, { kind: 'found', upstreamId });
    }
    return results;
  }

  private async walk(sought: readonly SearchedJob[]): Promise<Shown> {
    const record = new WalkRecord<Entry>();
    const upstreamIds = new Map<string, string>();
    const found = { sought: new Set(sought.map(({ id }) => id)), upstreamIds, others: [] };
    const walk = await this.listing.walkListing(FIRST_WALK, async (page) => {
      const submits = await this.queries.findSubmits(upstreamIdsOf(page));
      record.addPage(page.map((job) => this.readEntry(job, submits, found)));
      const missing = sought.filter(({ id }) => !upstreamIds.has(id));
      return missing.length === 0 || record.reachesBack(earliest(missing));
    });
    record.hasEnded = walk.end === 'complete';
    await this.orphans.discardFound(found.others);
    return { walk, record, found: upstreamIds };
  }

  private readEntry(
    job: ListedJob,
    submits: ReadonlyMap<string, KnownSubmit>,
    { sought, upstreamIds, others }: Found,
  ): Entry {
    const { upstreamId, rawConfig } = job;
    const marks = jobIdsOf(rawConfig ?? '', this.tokens);
    const named = marks.filter((id) => sought.has(id));
    if (upstreamId !== null) {
      for (const id of named) upstreamIds.set(id, upstreamId);
      const [jobId] = marks;
      const isOther = named.length === 0 && !submits.has(upstreamId);
      if (isOther && jobId !== undefined && isJobId(jobId)) others.push({ jobId, upstreamId });
    }
    const isMarked = marks.length > 0 && (upstreamId !== null || named.length === 0);
    return {
      upstreamId,
      createdAt: job.createdAt?.getTime() ?? null,
      submit: upstreamId === null ? undefined : submits.get(upstreamId),
      type: job.type,
      request: isMarked ? 'marked' : isWholeRequest(rawConfig, sought) ? 'unmarked' : 'hidden',
    };
  }

  /** Those of `missing` that no entry can be, by the first walk. */
  private async findAbsent(
    { record }: Shown,
    missing: readonly SearchedJob[],
    expected: readonly string[],
  ): Promise<SearchedJob[]> {
    // Without one of the gateway’s own jobs, the listing is late or not whole.
    if (!expected.every((upstreamId) => record.has(upstreamId))) return [];
    const mayBe = await this.unidentified(record, missing);
    return missing.filter(
      (job) =>
        record.reachesBack(job.begunAt) && !record.mayHide(job, (entry) => mayBe(entry, job)),
    );
  }

  /**
   * Says whether an entry may be a job: hidden ones may be any, and so may unmarked ones where Reducto shows no marks.
   * Otherwise an unmarked one may only be a job without a mark.
   */
  private async unidentified(
    record: WalkRecord<Entry>,
    missing: readonly SearchedJob[],
  ): Promise<(entry: Entry, job: SearchedJob) => boolean> {
    const showsMarks = record.jobs.some(({ request }) => request === 'marked');
    const mayBe = (entry: Entry, job: SearchedJob): boolean =>
      entry.request === 'hidden' ||
      (entry.request === 'unmarked' &&
        (!showsMarks || (job.mayBeUnmarked && mayBeClassify(entry))));
    const suspects = record.jobs.filter(
      (entry) => entry.submit === undefined && missing.some((job) => mayBe(entry, job)),
    );
    // Answers to other submits may have come since.
    const known = await this.queries.findSubmits(upstreamIdsOf(suspects));
    const unknown = new Set(
      suspects.filter(({ upstreamId }) => upstreamId === null || !known.has(upstreamId)),
    );
    return (entry, job) => unknown.has(entry) && mayBe(entry, job);
  }

  /** Whether a second walk, of larger pages without the requests, shows the same jobs. */
  private async confirm(
    first: WalkRecord<Entry>,
    absent: readonly SearchedJob[],
  ): Promise<SearchResult> {
    const submits = new Map(first.jobs.map(({ upstreamId, submit }) => [upstreamId, submit]));
    const second = new WalkRecord();
    const begunAt = earliest(absent);
    const walk = await this.listing.walkListing(SECOND_WALK, (page) => {
      second.addPage(
        page.map(({ upstreamId, createdAt }) => ({
          upstreamId,
          createdAt: createdAt?.getTime() ?? null,
          submit: submits.get(upstreamId),
        })),
      );
      return second.reachesBack(begunAt);
    });
    second.hasEnded = walk.end === 'complete';
    const isConfirmed = first.isConfirmedBy(second, begunAt);
    return failureOf(walk) ?? { kind: isConfirmed ? 'absent' : 'undecided' };
  }
}

function failureOf({ end, retryAfterSeconds }: Walk): SearchResult | undefined {
  if (end !== 'unavailable') return undefined;
  return { kind: 'unavailable', ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) };
}

function earliest(attempts: readonly Attempt[]): number {
  return Math.min(...attempts.map(({ begunAt }) => begunAt));
}

const OTHER_TYPES: ReadonlySet<string | null> = new Set([
  'Parse',
  'Extract',
  'Split',
  'Edit',
  'Pipeline',
  'Chart',
]);

function mayBeClassify({ type }: Entry): boolean {
  return !OTHER_TYPES.has(type);
}

function upstreamIdsOf(jobs: readonly Pick<ListedJob, 'upstreamId'>[]): string[] {
  return jobs.flatMap(({ upstreamId }) => upstreamId ?? []);
}
