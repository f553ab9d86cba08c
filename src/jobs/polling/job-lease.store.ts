import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository, type EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { MAX_POLL_EVENTS } from '../job-event.entity.js';
import type { JobStatus } from '../job-status.js';
import { Job } from '../job.entity.js';
import {
  deferred,
  ifLeasedBy,
  inSeconds,
  type Fence,
} from '../persistence/job-transitions.store.js';

/** A job that the reconciler has taken up, with what is to be known to decide what it needs. */
export interface DueJob {
  readonly id: string;
  readonly status: JobStatus;
  readonly upstreamId: string | null;
  readonly polls: number;
  readonly ageSeconds: number;
  readonly sinceSubmitSeconds: number;
  /** A callback, a cancel or an odd answer says that something is up with it. */
  readonly pollSoon: boolean;
}

/** Which due jobs a claim takes. `too old`: only those past the age at which a job is given up. */
export type DueFilter = 'all' | { readonly tooOldSeconds: number };

/** Nobody looks at it, or whoever did has not been heard of for the length of a lease. */
const IF_FREE: Fence = ['(NOT polling OR next_check_at <= now())', {}];

/**
 * Who has a job in hand, and until when. A claim is a random id in the row: taking the job again
 * replaces it, and with it the right to write of whoever held it before. All SQL on claims.
 */
@Injectable()
export class JobLeaseStore {
  constructor(@InjectRepository(Job) private readonly jobs: Repository<Job>) {}

  /** Claims one job for a look. `undefined` where it has no need, or somebody else looks at it. */
  async acquireLease(id: string, leaseSeconds: number): Promise<string | undefined> {
    const lease = randomUUID();
    const { affected } = await this.jobs
      .createQueryBuilder()
      .update()
      .set({ lease, polling: true, pollRequested: false, nextCheckAt: inSeconds(leaseSeconds) })
      .where('id = :id', { id })
      .andWhere({ status: In(['submitted', 'uncertain']) })
      .andWhere(...IF_FREE)
      .execute();
    return affected === 1 ? lease : undefined;
  }

  /** Holds on to a job for longer. False where it has been lost. */
  async renewLease(id: string, lease: string, leaseSeconds: number): Promise<boolean> {
    const { affected } = await this.jobs
      .createQueryBuilder()
      .update()
      .set({ nextCheckAt: inSeconds(leaseSeconds) })
      .where('id = :id', { id })
      .andWhere(...ifLeasedBy(lease))
      .execute();
    return affected === 1;
  }

  /** Lets go of a job that was not looked at. */
  async releaseLease(id: string, lease: string, seconds: number, reason?: string): Promise<void> {
    const next =
      reason === undefined ? { nextCheckAt: inSeconds(seconds) } : deferred(seconds, reason);
    await this.jobs
      .createQueryBuilder()
      .update()
      .set({ polling: false, ...next })
      .where('id = :id', { id })
      .andWhere(...ifLeasedBy(lease))
      .execute();
  }

  /** Releases a job whose handler threw. The attempt counts, so that the waits grow. */
  async releaseFailedPoll(id: string, lease: string, seconds: number): Promise<void> {
    const reason = 'The gateway could not process the job, and tries again';
    await this.jobs
      .createQueryBuilder()
      .update()
      .set({
        lease: null,
        polling: false,
        polls: () => 'polls + 1',
        ...deferred(seconds, reason),
      })
      .where('id = :id', { id })
      .andWhere(...ifLeasedBy(lease))
      .execute();
  }

  /**
   * Claims up to `limit` jobs that are due, the longest due first, skipping those that another
   * process is claiming. A callback may still take one of them for its look.
   */
  leaseDueJobs(
    manager: EntityManager,
    lease: string,
    limit: number,
    dueFilter: DueFilter,
    leaseSeconds: number,
  ): Promise<DueJob[]> {
    const tooOldSeconds = dueFilter === 'all' ? 0 : dueFilter.tooOldSeconds;
    return rows<DueJob>(manager, LEASE_DUE_JOBS, [lease, leaseSeconds, limit, tooOldSeconds]);
  }

  /** Holds on to all jobs of a claim for `leaseSeconds`; with 0 they are due at once, for anybody. */
  async renewSweepLease(
    manager: EntityManager,
    lease: string,
    leaseSeconds: number,
  ): Promise<void> {
    await rows(manager, RENEW_SWEEP_LEASE, [lease, leaseSeconds]);
  }

  /** Lets go of jobs for whose sake tasks are put in; they are due again should those not run. */
  async releaseForPolls(
    manager: EntityManager,
    lease: string,
    ids: readonly string[],
    seconds: number,
  ): Promise<string[]> {
    const given = await rows<{ id: string }>(manager, RELEASE_FOR_POLLS, [lease, ids, seconds]);
    return given.map(({ id }) => id);
  }

  /**
   * Puts off the next look at each of `ids` by its entry of `seconds`, and says so in the timeline.
   * Returns how many it could: one that a callback took meanwhile is not touched.
   */
  async rescheduleOpen(
    manager: EntityManager,
    lease: string,
    ids: readonly string[],
    seconds: readonly number[],
  ): Promise<number> {
    const put = await rows(manager, RESCHEDULE_OPEN, [lease, ids, seconds]);
    return put.length;
  }

  /**
   * Brings forward the next look at jobs that Reducto has, to some moment within `seconds`: of all, or of
   * `ids`. Those that somebody looks at are left alone. Returns how many.
   */
  async expeditePolls(
    manager: EntityManager,
    ids: readonly string[] | null,
    seconds: number,
    limit: number,
  ): Promise<number> {
    const brought = await rows(manager, EXPEDITE_POLLS, [ids, seconds, limit]);
    return brought.length;
  }
}

/*
 * The statements of a sweep read the jobs that have not ended and no others: those are in the index
 * `jobs_due`. Hence the array instead of a join, for which PostgreSQL would read the whole table once
 * many jobs are due, and the conditions that repeat what the claim implies (`npm run bench:sweep`).
 */
export const LEASE_DUE_JOBS = `
  UPDATE jobs
     SET lease = $1, polling = false, next_check_at = now() + make_interval(secs => $2)
   WHERE id = ANY (ARRAY(
     SELECT id FROM jobs
      WHERE next_check_at <= now()
        AND status <> 'queued' AND created_at <= now() - make_interval(secs => $4)
      ORDER BY next_check_at
      LIMIT $3
        FOR UPDATE SKIP LOCKED))
  RETURNING id, status, upstream_id AS "upstreamId", polls,
    extract(epoch FROM now() - created_at)::double precision AS "ageSeconds",
    coalesce(extract(epoch FROM now() - submitted_at), 0)::double precision AS "sinceSubmitSeconds",
    (poll_requested OR callback_received_at IS NOT NULL OR cancel_requested_at IS NOT NULL
      OR missing_since IS NOT NULL OR result_missing_since IS NOT NULL) AS "pollSoon"`;

const RENEW_SWEEP_LEASE = `
  UPDATE jobs SET next_check_at = now() + make_interval(secs => $2)
   WHERE lease = $1 AND next_check_at IS NOT NULL`;

export const RELEASE_FOR_POLLS = `
  UPDATE jobs SET lease = NULL, next_check_at = now() + make_interval(secs => $3)
   WHERE lease = $1 AND id = ANY ($2::uuid[]) AND next_check_at IS NOT NULL
  RETURNING id`;

export const RESCHEDULE_OPEN = `
  WITH put AS (
    UPDATE jobs
       SET lease = NULL, polls = polls + 1, deferral_reason = NULL, deferred_until = NULL,
           next_check_at = now() + CASE WHEN poll_requested THEN interval '0'
                                        ELSE make_interval(secs => listed.seconds) END
      FROM unnest($2::uuid[], $3::double precision[]) AS listed (id, seconds)
     WHERE jobs.id = listed.id AND jobs.lease = $1 AND jobs.status = 'submitted'
       AND jobs.next_check_at IS NOT NULL
    RETURNING jobs.id, listed.seconds, jobs.polls),
  event AS (
    INSERT INTO job_events (job_id, type, detail)
    SELECT id, 'polled', jsonb_build_object('answer', 'open', 'via', 'listing',
                                            'nextPollInSeconds', round(seconds::numeric))
      FROM put WHERE polls <= ${MAX_POLL_EVENTS})
  SELECT id AS job_id FROM put`;

const EXPEDITE_POLLS = `
  UPDATE jobs SET next_check_at = now() + random() * make_interval(secs => $2)
   WHERE id = ANY (ARRAY(
     SELECT id FROM jobs
      WHERE next_check_at > now() + make_interval(secs => $2)
        AND status = 'submitted' AND NOT polling
        AND ($1::uuid[] IS NULL OR id = ANY ($1::uuid[]))
      ORDER BY next_check_at DESC
      LIMIT $3
        FOR UPDATE SKIP LOCKED))
  RETURNING id`;
