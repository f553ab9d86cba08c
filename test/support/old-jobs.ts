import type { Pool } from 'pg';

/*
 * Old jobs, inserted with SQL: with events, callbacks, and results of one chunk each.
 */

const JOBS = `
  WITH job AS (
    INSERT INTO jobs (id, service, type, status, request_hash, idempotency_key, upstream_id, settled_by,
                      created_at, submitted_at, ended_at, callback_received_at)
    SELECT gen_random_uuid(), 'invoices', 'parse', 'completed', '\\x00', 'old-' || $2 || '-' || n,
           gen_random_uuid()::text, 'webhook', at, at, at, at
      FROM (SELECT n, now() - make_interval(days => $2) - n * interval '1 s' AS at
              FROM generate_series(1, $1::int) AS n) AS moment
    RETURNING id, upstream_id, ended_at),
  event AS (
    INSERT INTO job_events (job_id, at, type)
    SELECT id, ended_at, type FROM job, unnest('{polled,polled,callback_received}'::text[]) AS type),
  callback AS (
    INSERT INTO callbacks (job_id, upstream_id, status, proved_by, client_address, received_at,
                           last_received_at)
    SELECT id, upstream_id, 'Completed', 'token', '127.0.0.1', ended_at, ended_at FROM job),
  result AS (
    INSERT INTO job_results (job_id, content_id, sha256, size_bytes, stored_bytes, stored_at)
    SELECT id, gen_random_uuid(), 'none', 1000, 1000, ended_at FROM job
    RETURNING content_id),
  chunk AS (
    INSERT INTO result_chunks (content_id, seq, bytes)
    SELECT content_id, 0, decode(repeat('00', 1000), 'hex') FROM result)
  SELECT id FROM job ORDER BY ended_at`;

/** Inserts `count` completed jobs that ended more than `days` ago; returns their ids, oldest first. */
export async function addOldJobs(pool: Pool, count: number, days: number): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(JOBS, [count, days]);
  return rows.map(({ id }) => id);
}

/** Makes an ended job `days` older. */
export async function letAge(pool: Pool, id: string, days: number): Promise<void> {
  const age = [id, days];
  const older = (column: string): string => `${column} = ${column} - make_interval(days => $2)`;
  await pool.query(
    `UPDATE jobs SET ${older('created_at')}, ${older('ended_at')} WHERE id = $1`,
    age,
  );
  await pool.query(`UPDATE job_results SET ${older('stored_at')} WHERE job_id = $1`, age);
  await pool.query(`UPDATE callbacks SET ${older('received_at')} WHERE job_id = $1`, age);
}

/** Makes all discarded contents older than the grace period. */
export async function letGracePass(pool: Pool): Promise<void> {
  await pool.query(`UPDATE discarded_contents SET discarded_at = discarded_at - interval '2 h'`);
}

export async function countOf(pool: Pool, table: string, where = 'true'): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ${table} WHERE ${where}`,
  );
  return rows[0]?.n ?? Number.NaN;
}
