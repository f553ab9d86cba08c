import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows } from '../../platform/database/sql.js';
import type { Deferral } from './job-submission.store.js';
import type { HeldJob } from '../leases/job-lease.store.js';
import type { JobStatus } from '../job-status.js';

/** A job to whose result another job refers. */
export interface InputJob {
  readonly id: string;
  readonly service: string;
  readonly status: JobStatus;
  readonly upstreamId: string | null;
}

/** A job and an open job whose result it needs. */
export interface InputPair {
  readonly jobId: string;
  readonly inputId: string;
}

/**
 * All SQL on `job_inputs` and `wake_ups`, except the function `wake_dependents` of the migrations. A pair is written only while its
 * input is locked and open, so that the statement that ends the input, which waits for the lock, finds it.
 */
@Injectable()
export class JobInputsStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** Jobs with one of `ids`, of all services, except deleted ones. */
  findInputs(ids: readonly string[]): Promise<InputJob[]> {
    return preparedRows<InputJob>(this.database, FIND_INPUTS, [ids]);
  }

  /**
   * Those of `ids` that are open, which no statement ends before the transaction has. Leaves out rows that another
   * transaction has locked: one that waited here, and one that ends jobs, could wait for each other.
   */
  async lockOpen(manager: EntityManager, ids: readonly string[]): Promise<Set<string>> {
    const open = await preparedRows<{ id: string }>(manager, LOCK_OPEN, [ids]);
    return new Set(open.map(({ id }) => id));
  }

  /** Call it with inputs that `lockOpen` has locked. */
  async insertPairs(manager: EntityManager, pairs: readonly InputPair[]): Promise<void> {
    await preparedRows(manager, INSERT_PAIRS, columnsOf(pairs));
  }

  /**
   * Ends the leases of jobs, defers them, and inserts those of `pairs` that belong to them; `lockOpen` has locked
   * their inputs. Returns the deferred jobs: those that are no longer leased or that another transaction has locked
   * stay as they are.
   */
  async deferJobs(
    manager: EntityManager,
    sleepers: readonly (HeldJob & Deferral)[],
    pairs: readonly InputPair[],
  ): Promise<Set<string>> {
    const deferred = await preparedRows<{ id: string }>(manager, DEFER_JOBS, [
      sleepers.map(({ id }) => id),
      sleepers.map(({ lease }) => lease),
      sleepers.map(({ seconds }) => seconds),
      sleepers.map(({ reason }) => reason),
      ...columnsOf(pairs),
    ]);
    return new Set(deferred.map(({ id }) => id));
  }

  /** Makes jobs due whose inputs have ended unnoticed. Returns how many. */
  async wakeMissed(): Promise<number> {
    const [row] = await preparedRows<{ woken: number }>(this.database, WAKE_MISSED, []);
    return row?.woken ?? 0;
  }

  /** Makes more dependents due of one job that has ended. Returns how many; `undefined` if none is left. */
  async wakeMore(): Promise<number | undefined> {
    const [row] = await preparedRows<{ woken: number }>(this.database, WAKE_MORE, []);
    if (row !== undefined) await preparedRows(this.database, DELETE_WOKEN, []);
    return row?.woken;
  }
}

function columnsOf(pairs: readonly InputPair[]): [string[], string[]] {
  return [pairs.map(({ jobId }) => jobId), pairs.map(({ inputId }) => inputId)];
}

/** One lookup by the key for each id, also while the table is young and has no statistics; so in `LOCK_OPEN`. */
const FIND_INPUTS = {
  name: 'jobs-find-inputs',
  text: `
  SELECT job.* FROM unnest((SELECT $1::uuid[])) AS input (id)
   CROSS JOIN LATERAL (
     SELECT id, service, status, upstream_id AS "upstreamId" FROM jobs
      WHERE jobs.id = input.id AND deletion_requested_at IS NULL LIMIT 1) AS job`,
};

const LOCK_OPEN = {
  name: 'job-inputs-lock',
  text: `
  SELECT job.id FROM unnest((SELECT $1::uuid[])) AS input (id)
   CROSS JOIN LATERAL (
     SELECT id FROM jobs WHERE jobs.id = input.id AND ended_at IS NULL LIMIT 1
        FOR SHARE SKIP LOCKED) AS job`,
};

const INSERT_PAIRS = {
  name: 'job-inputs-insert',
  text: `
  INSERT INTO job_inputs (job_id, input_id)
  SELECT * FROM unnest($1::uuid[], $2::uuid[]) ON CONFLICT DO NOTHING`,
};

const DEFER_JOBS = {
  name: 'job-inputs-defer',
  text: `
  WITH held AS (
    SELECT jobs.id, sleeper.seconds, sleeper.reason
      FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::float8[]), (SELECT $4::text[]))
        AS sleeper (id, lease, seconds, reason)
      JOIN jobs ON jobs.id = sleeper.id AND jobs.lease = sleeper.lease
     WHERE status = 'queued' AND submit_started_at IS NULL
       FOR NO KEY UPDATE OF jobs SKIP LOCKED),
  deferred AS (
    UPDATE jobs
       SET lease = NULL, worker = NULL, deferral_reason = held.reason,
           next_check_at = now() + make_interval(secs => held.seconds),
           deferred_until = now() + make_interval(secs => held.seconds)
      FROM held WHERE jobs.id = held.id
    RETURNING jobs.id),
  pair AS (
    INSERT INTO job_inputs (job_id, input_id)
    SELECT job_id, input_id FROM unnest($5::uuid[], $6::uuid[]) AS pair (job_id, input_id)
     WHERE job_id IN (SELECT id FROM deferred)
    ON CONFLICT DO NOTHING)
  SELECT id FROM deferred`,
};

/** The list of the inputs first, so that each is read once, by its key. */
const WAKE_MISSED = {
  name: 'job-inputs-wake-missed',
  text: `
  SELECT wake_dependents(ARRAY(
    SELECT input_id FROM (SELECT DISTINCT input_id FROM job_inputs) AS input
     WHERE coalesce((SELECT ended_at IS NOT NULL FROM jobs WHERE id = input_id), true)
       AND NOT EXISTS (SELECT FROM wake_ups WHERE wake_ups.input_id = input.input_id))) AS woken`,
};

const WAKE_MORE = {
  name: 'job-inputs-wake-more',
  text: `
  SELECT wake_dependents(ARRAY[input_id]) AS woken
    FROM (SELECT input_id FROM wake_ups ORDER BY input_id LIMIT 1 FOR UPDATE SKIP LOCKED) AS input`,
};

const DELETE_WOKEN = {
  name: 'job-inputs-delete-woken',
  text: `
  DELETE FROM wake_ups
   WHERE NOT EXISTS (SELECT FROM job_inputs WHERE job_inputs.input_id = wake_ups.input_id)`,
};
