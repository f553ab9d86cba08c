import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { preparedRows, rows } from '../../platform/database/sql.js';
import type { JobCall } from './job-call.entity.js';

export interface KnownCall extends Pick<JobCall, 'jobId' | 'seen'> {
  /** Hexadecimal. */
  readonly hash: string;
  /** When the last of its requests was stored, by `performance.now()`; at the latest then. */
  readonly seenAt: number;
}

interface FoundCall extends Omit<KnownCall, 'seenAt'> {
  readonly seenSeconds: number;
}

export type CallToStore = Pick<JobCall, 'jobId' | 'hash' | 'seen'>;

/** The SDKs’ timeout of one hour, and their pauses. */
const JOINABLE_MINUTES = 70;

/** All SQL on `job_calls`. */
@Injectable()
export class JobCallsStore {
  /** Locks the hashes until the transaction ends, and returns the calls that can be joined, the oldest first. */
  async lockCalls(manager: EntityManager, hashes: readonly Buffer[]): Promise<KnownCall[]> {
    await preparedRows(manager, LOCK, [hashes.map((hash) => hash.readBigInt64BE().toString())]);
    // A statement of its own: its snapshot has what the last holders of the locks inserted.
    const now = performance.now();
    const found = await preparedRows<FoundCall>(manager, FIND, [hashes]);
    return found.map(({ seenSeconds, ...call }) => ({ ...call, seenAt: now - seenSeconds * 1000 }));
  }

  /** Inserts calls, or updates those of known jobs. */
  async storeCalls(manager: EntityManager, calls: readonly CallToStore[]): Promise<void> {
    await preparedRows(manager, STORE, [
      calls.map(({ jobId }) => jobId),
      calls.map(({ hash }) => hash),
      calls.map(({ seen }) => seen),
    ]);
  }

  /** Deletes up to `limit` calls that nothing can join any more. Returns their number. */
  async deleteOld(manager: EntityManager, limit: number): Promise<number> {
    return (await rows(manager, DELETE_OLD, [limit])).length;
  }
}

/** In the order of the keys, to avoid deadlocks. */
const LOCK = {
  name: 'job-calls-lock',
  text: `
  SELECT pg_advisory_xact_lock(key)
    FROM (SELECT DISTINCT key FROM unnest($1::bigint[]) AS key ORDER BY key OFFSET 0) AS ordered`,
};

const FIND = {
  name: 'job-calls-find',
  text: `
  SELECT job_id AS "jobId", encode(hash, 'hex') AS hash, seen,
         extract(epoch FROM clock_timestamp() - seen_at)::float8 AS "seenSeconds"
    FROM job_calls
   WHERE hash = ANY ($1::bytea[]) AND created_at > now() - interval '${JOINABLE_MINUTES} minutes'
   ORDER BY job_id`,
};

const STORE = {
  name: 'job-calls-store',
  text: `
  INSERT INTO job_calls (job_id, hash, seen, seen_at)
  SELECT *, clock_timestamp() FROM unnest($1::uuid[], $2::bytea[], $3::integer[])
  ON CONFLICT (job_id) DO UPDATE SET seen = excluded.seen, seen_at = excluded.seen_at`,
};

const DELETE_OLD = `
  DELETE FROM job_calls
   WHERE job_id IN (
     SELECT job_id FROM job_calls
      WHERE created_at < now() - interval '2 hours'
      ORDER BY created_at LIMIT $1
        FOR UPDATE SKIP LOCKED)
  RETURNING job_id`;
