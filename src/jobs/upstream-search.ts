import { Injectable } from '@nestjs/common';
import type { ListedJob } from '../reducto/answers.js';
import { ReductoClient } from '../reducto/reducto.client.js';
import type { Job } from './job.entity.js';
import { JobStore } from './job.store.js';

/** What Reducto's listing says about a submit whose answer was lost. */
export type SearchResult =
  | { readonly kind: 'found'; readonly upstreamId: string }
  /** Every job of that time was seen, and each is known to be another. */
  | { readonly kind: 'absent' }
  /** The listing does not tell: it hides the requests, has no end, or there is none. */
  | { readonly kind: 'undecided' }
  | { readonly kind: 'trouble'; readonly retryAfterSeconds?: number };

const PAGE_SIZE = 100;
const MAX_PAGES = 30;

/** How far Reducto's clock may be off from the database's. */
const CLOCK_SLACK_SECONDS = 900;

@Injectable()
export class UpstreamSearch {
  constructor(
    private readonly reducto: ReductoClient,
    private readonly store: JobStore,
  ) {}

  /**
   * Looks for the job that a submit of `sinceSubmitSeconds` ago may have made, by the gateway's job id
   * in the request that Reducto remembers. Neither the order nor the completeness of the listing is
   * documented, so "absent" is said only where it was seen to be so.
   */
  async find(job: Job, sinceSubmitSeconds: number): Promise<SearchResult> {
    const from = Date.now() - (sinceSubmitSeconds + CLOCK_SLACK_SECONDS) * 1000;
    const suspects: string[] = [];
    let cursor: string | null = null;
    let previous = Number.POSITIVE_INFINITY;
    let descending = true;
    for (let page = 0; page < MAX_PAGES; page++) {
      const answer = await this.reducto.list(cursor, true, PAGE_SIZE);
      if (answer.kind === 'unsupported') return { kind: 'undecided' };
      if (answer.kind === 'trouble') return answer;
      const hit = answer.jobs.find(
        ({ rawConfig }) => rawConfig !== null && isRequestOf(job.id, rawConfig),
      );
      if (hit !== undefined) return { kind: 'found', upstreamId: hit.upstreamId };
      suspects.push(
        ...answer.jobs
          .filter((listed) => isSuspect(listed, from))
          .map((listed) => listed.upstreamId),
      );
      for (const { createdAt } of answer.jobs) {
        const time = createdAt?.getTime() ?? Number.NaN;
        // NaN compares as false: a job without a date proves nothing about the order.
        descending &&= time <= previous;
        previous = time;
      }
      const beyond = descending && previous < from;
      if (answer.nextCursor === null || beyond) return this.judge(suspects);
      if (answer.nextCursor === cursor) return { kind: 'undecided' };
      cursor = answer.nextCursor;
    }
    return { kind: 'undecided' };
  }

  /** A job of that time that hides its request may be the one, unless it is known as another. */
  private async judge(suspects: readonly string[]): Promise<SearchResult> {
    const known = await this.store.knownUpstreamIds(suspects);
    return { kind: suspects.every((id) => known.has(id)) ? 'absent' : 'undecided' };
  }
}

/** Whether a request, as Reducto remembers it, is that of our job. It is text in a form that is not documented. */
export function isRequestOf(jobId: string, rawConfig: string): boolean {
  return new RegExp(`gateway_job_id[\\s'":=\\\\]*${jobId}`, 'i').test(rawConfig);
}

function isSuspect(listed: ListedJob, from: number): boolean {
  return (
    listed.rawConfig === null && (listed.createdAt === null || listed.createdAt.getTime() >= from)
  );
}
