import type { KnownSubmit } from '../persistence/job-queries.store.js';

/** An attempt whose request may have reached Reducto. Unix ms by the database’s clock. */
export interface Attempt {
  readonly begunAt: number;
  /** The last moment at which the request can have arrived. */
  readonly lastMomentAt: number;
}

/** A listed job, as the search sees it. */
export interface SeenJob {
  /** `null` if the entry has no usable id. */
  readonly upstreamId: string | null;
  /** Unix ms by Reducto’s clock; `null` if the entry cannot be placed in time. */
  readonly createdAt: number | null;
  /** Set if the gateway knows the entry as the upstream job of another job. */
  readonly submit: KnownSubmit | undefined;
}

/** Time by which the order of the listing may differ from the order in which the jobs were created. */
const ORDER_SLACK_MS = 5_000;
/** Time by which two clocks may drift apart between the jobs of a walk. */
const CLOCK_DRIFT_MS = 60_000;
/** Maximum difference between the clocks if no submit compares them: more than a wrong time zone makes. */
const MAX_CLOCK_DIFFERENCE_MS = 26 * 3_600_000;

/** What a walk through the listing has shown so far, in its order, and what that proves (decision 0027). */
export class WalkRecord<Seen extends SeenJob = SeenJob> {
  readonly jobs: Seen[] = [];
  /** The walk has read the last page. */
  hasEnded = false;
  private readonly ids = new Set<string>();
  private isBroken = false;
  private newest = -Infinity;
  private oldest = Infinity;
  /** Reducto’s clock is ahead of the database’s by at least this, as the submits of the gateway show. */
  private clockOffset = Infinity;

  /** Adds a page. New jobs push others to the next page, so that a repeated job says nothing about the order. */
  addPage(page: readonly Seen[]): void {
    for (const job of page) {
      if (job.upstreamId !== null) {
        if (this.ids.has(job.upstreamId)) continue;
        this.ids.add(job.upstreamId);
      }
      this.jobs.push(job);
      if (job.createdAt !== null) this.addMoment(job.createdAt, job.submit);
    }
  }

  private addMoment(createdAt: number, submit: KnownSubmit | undefined): void {
    this.isBroken ||= createdAt > this.oldest + ORDER_SLACK_MS;
    this.newest = Math.max(this.newest, createdAt);
    this.oldest = Math.min(this.oldest, createdAt);
    // Reducto creates a job before the gateway records it as submitted.
    const offset = createdAt - (submit?.submittedAt ?? -Infinity);
    if (offset <= MAX_CLOCK_DIFFERENCE_MS) this.clockOffset = Math.min(this.clockOffset, offset);
  }

  /** Jobs of one moment show no order. */
  private get isNewestFirst(): boolean {
    return !this.isBroken && this.newest > this.oldest + ORDER_SLACK_MS;
  }

  has(upstreamId: string): boolean {
    return this.ids.has(upstreamId);
  }

  /** Whether the walk has seen every job that was created since `begunAt`. */
  reachesBack(begunAt: number): boolean {
    return this.hasEnded || this.firstOlder(begunAt) !== undefined;
  }

  /** Whether a job that `isUnidentified` can be the one of `attempt`. */
  mayHide({ begunAt, lastMomentAt }: Attempt, isUnidentified: (job: Seen) => boolean): boolean {
    const newer = this.jobs.findLastIndex(
      ({ submit }) => submit !== undefined && submit.acceptedAt >= lastMomentAt + ORDER_SLACK_MS,
    );
    return this.jobs
      .slice(this.isNewestFirst ? newer + 1 : 0, this.firstOlder(begunAt))
      .some((job) => isUnidentified(job) && !this.isOlder(job, begunAt));
  }

  /**
   * Whether `second`, a walk that began after this one, shows that no page boundary of this one hid a job created
   * since `begunAt`: a deletion moves later jobs to pages that were read before. New jobs may have come on top.
   */
  isConfirmedBy(second: WalkRecord, begunAt: number): boolean {
    const isSeen = ({ upstreamId }: SeenJob): boolean =>
      upstreamId !== null && this.has(upstreamId);
    const isStillListed = ({ upstreamId }: SeenJob): boolean =>
      upstreamId !== null && second.has(upstreamId);
    if (!second.reachesBack(begunAt) || !this.since(begunAt).every(isStillListed)) return false;
    const listed = second.since(begunAt);
    const firstSeen = listed.findIndex(isSeen);
    return firstSeen === -1 || listed.slice(firstSeen).every(isSeen);
  }

  /** The jobs down to the first that was certainly created before `begunAt`. */
  private since(begunAt: number): readonly Seen[] {
    return this.jobs.slice(0, this.firstOlder(begunAt));
  }

  /** The first job that was certainly created before `begunAt`: in newest-first order, so were all after it. */
  private firstOlder(begunAt: number): number | undefined {
    if (!this.isNewestFirst) return undefined;
    const index = this.jobs.findIndex((job) => this.isOlder(job, begunAt));
    return index === -1 ? undefined : index;
  }

  private isOlder({ createdAt, submit }: Seen, begunAt: number): boolean {
    // Compares the database’s clock with itself.
    if (submit !== undefined) return submit.submittedAt + ORDER_SLACK_MS <= begunAt;
    if (createdAt === null) return false;
    const difference =
      this.clockOffset === Infinity ? -MAX_CLOCK_DIFFERENCE_MS : this.clockOffset - CLOCK_DRIFT_MS;
    return createdAt < begunAt + difference;
  }
}
