import { Injectable, Logger } from '@nestjs/common';
import { DueJobsService, type DueJob } from '../jobs/due-jobs.service.js';
import { Settings } from '../platform/config/settings.js';
import { isRunning } from '../reducto/read-answers.js';
import { UpstreamListing } from '../reducto/upstream-listing.js';

/** Which of many waiting jobs are still open, and which need a poll. */
export interface CheckedJobs {
  readonly open: readonly DueJob[];
  readonly polls: readonly DueJob[];
  readonly calls: number;
}

const MAX_PAGES = 60;
const MAX_SECONDS = 20;
/** Time by which Reducto’s clock may drift while the due jobs were created. */
const CLOCK_DRIFT_SECONDS = 60;
/** Cool-down of a listing that was wrong or not useful. */
const COOL_DOWN_SECONDS = 600;
/** Polls that a walk must save per call. */
const MIN_GAIN = 2;
/** Sample of jobs per walk that are polled although the listing shows them as open. */
const SAMPLES = 3;

/**
 * Checks many due jobs by Reducto’s listing, 500 per call, so that only few need a poll. A job that the listing
 * does not show is polled. A circuit breaker distrusts the listing for a while once it shows a job as open that
 * ended long ago, or saves too few polls.
 */
@Injectable()
export class BulkStatusCheck {
  private readonly logger = new Logger(BulkStatusCheck.name);
  private circuitOpenUntil = 0;
  private lastCalls = 0;

  constructor(
    private readonly settings: Settings,
    private readonly listing: UpstreamListing,
    private readonly dueJobs: DueJobsService,
  ) {}

  /** Number of jobs above which a walk pays. */
  minJobs(): number {
    const { RECONCILE_LISTING_MIN_JOBS: from } = this.settings;
    if (from === 0 || performance.now() < this.circuitOpenUntil) return Infinity;
    return Math.max(from, this.lastCalls * MIN_GAIN);
  }

  async checkJobs(jobs: readonly DueJob[]): Promise<CheckedJobs> {
    const sought = new Map(jobs.map((job) => [job.upstreamId, job]));
    const listed = new Map<DueJob, string>();
    const openOthers: string[] = [];
    const period = new Period(jobs);
    const walk = await this.listing.walkListing(
      { withConfigs: false, maxPages: MAX_PAGES, maxSeconds: MAX_SECONDS },
      (page) => {
        for (const { upstreamId, status, createdAt } of page) {
          if (upstreamId === null) continue;
          const job = sought.get(upstreamId);
          if (job !== undefined) listed.set(job, status);
          else if (isRunning(status)) openOthers.push(upstreamId);
          if (job !== undefined && createdAt !== null) period.compareClocks(job, createdAt);
        }
        const isPast = page.length > 0 && page.every((job) => period.isBefore(job.createdAt));
        return isPast || listed.size === sought.size;
      },
    );
    this.lastCalls = walk.calls;
    const contradicted = (await this.dueJobs.countEnded(openOthers)) > 0;
    if (walk.end === 'unsupported') this.openCircuit('Reducto has no listing');
    else if (contradicted) this.openCircuit('it shows jobs as open that ended long ago');
    else if (walk.end !== 'unavailable' && listed.size < walk.calls * MIN_GAIN)
      this.openCircuit('it shows too few of the due jobs');

    const open = new Set(contradicted ? [] : jobs.filter((job) => isRunning(listed.get(job))));
    for (const job of sample([...open], SAMPLES)) open.delete(job);
    return { open: [...open], polls: jobs.filter((job) => !open.has(job)), calls: walk.calls };
  }

  private openCircuit(why: string): void {
    this.circuitOpenUntil = performance.now() + COOL_DOWN_SECONDS * 1000;
    this.logger.warn({
      msg: 'listing not trusted; jobs are polled one by one',
      why,
      seconds: COOL_DOWN_SECONDS,
    });
  }
}

/** The time in which the due jobs were created, by Reducto’s clock, which the listed ones of them show. */
class Period {
  private readonly longestSeconds: number;
  private now = Infinity;

  constructor(jobs: readonly DueJob[]) {
    this.longestSeconds = Math.max(...jobs.map((job) => job.sinceSubmitSeconds));
  }

  compareClocks(job: DueJob, createdAt: Date): void {
    this.now = Math.min(this.now, createdAt.getTime() + job.sinceSubmitSeconds * 1000);
  }

  isBefore(createdAt: Date | null): boolean {
    const begin = this.now - (this.longestSeconds + CLOCK_DRIFT_SECONDS) * 1000;
    return this.now < Infinity && createdAt !== null && createdAt.getTime() < begin;
  }
}

function sample<T>(items: readonly T[], count: number): T[] {
  const first = Math.floor(Math.random() * Math.max(items.length - count + 1, 0));
  return items.slice(first, first + count);
}
