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

/** A job that the reconciler has leased, with what the sweep decides by. */
export interface DueJob {
  readonly id: string;
  readonly status: JobStatus;
  readonly upstreamId: string | null;
  readonly polls: number;
  readonly ageSeconds: number;
  readonly sinceSubmitSeconds: number;
  /** A callback, a cancel, or an unusable answer asks for a poll of its own. */
  readonly pollSoon: boolean;
}

/** Which due jobs to lease; `tooOldSeconds`: only those past the maximum age. */
export type DueFilter = 'all' | { readonly tooOldSeconds: number };

/** Not leased, or the lease has expired. */
const IF_FREE: Fence = ['(NOT polling OR next_check_at <= now())', {}];

/**
 * All SQL on leases. A lease is a random id in the row: acquiring it again replaces the id, and with it the
 * previous holder’s right to write.
 */
@Injectable()
export class JobLeaseStore {
  constructor(@InjectRepository(Job) private readonly jobs: Repository<Job>) {}

  /** Leases one job for a poll; `undefined` if it needs none or is leased. */
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

  /** Returns false if the lease was lost. */
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

  /** Releases a job that was not polled. */
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
    const reason = 'The gateway could not process the job and tries again';
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
   * Leases up to `limit` due jobs, the longest due first, skipping rows that another process locks. A callback may
   * still lease one of them for its poll.
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

  /** Renews the lease of a sweep; with 0 its jobs are due at once. */
  async renewSweepLease(
    manager: EntityManager,
    lease: string,
    leaseSeconds: number,
  ): Promise<void> {
    await rows(manager, RENEW_SWEEP_LEASE, [lease, leaseSeconds]);
  }

  /** Releases jobs for which poll tasks are queued; they are due again after `seconds` if those do not run. */
  async releaseForPolls(
    manager: EntityManager,
    lease: string,
    ids: readonly string[],
    seconds: number,
  ): Promise<string[]> {
    const released = await rows<{ id: string }>(manager, RELEASE_FOR_POLLS, [lease, ids, seconds]);
    return released.map(({ id }) => id);
  }

  /**
   * Reschedules the poll of each of `ids` by its entry of `seconds`, and records it in the timeline. Returns how
   * many: a job that a callback leased meanwhile is left alone.
   */
  async rescheduleOpen(
    manager: EntityManager,
    lease: string,
    ids: readonly string[],
    seconds: readonly number[],
  ): Promise<number> {
    const rescheduled = await rows(manager, RESCHEDULE_OPEN, [lease, ids, seconds]);
    return rescheduled.length;
  }

  /**
   * Expedites the polls of submitted jobs, all or those of `ids`, to random moments within `seconds`. Leased jobs
   * are left alone. Returns how many.
   */
  async expeditePolls(
    manager: EntityManager,
    ids: readonly string[] | null,
    seconds: number,
    limit: number,
  ): Promise<number> {
    const expedited = await rows(manager, EXPEDITE_POLLS, [ids, seconds, limit]);
    return expedited.length;
  }
}

/*
 * Arrays instead of joins, and conditions that the lease implies, keep PostgreSQL on the index `jobs_due`
 * (`npm run bench:sweep`).
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
  WITH rescheduled AS (
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
      FROM rescheduled WHERE polls <= ${MAX_POLL_EVENTS})
  SELECT id AS job_id FROM rescheduled`;

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
