import type { Postgres } from './postgres.js';

/*
 * What jobs leave behind that have ended: the row, its timeline, and its callback. Their ids are as old as
 * they are, so new ones stand at one end of every index, as they do in production.
 */

const JOBS = `
  INSERT INTO jobs (id, service, type, status, metadata, request_hash, upstream_id, upstream_url,
                    submit_attempts, polls, callback_received_at, asserted_upstream_id, settled_by,
                    created_at, submitted_at, ended_at)
  SELECT uuidv7(-age), 'service-' || n % 20, 'parse', 'completed', '{"invoice": 4711, "tenant": "north"}',
         sha256(n::text::bytea), upstream, 'https://platform.reducto.ai', 1, 1, now() - age, upstream,
         'webhook', now() - age, now() - age, now() - age
    FROM (SELECT n, n * interval '5 s' + interval '1 hour' AS age, gen_random_uuid()::text AS upstream
            FROM generate_series($1::int, $2::int, -1) AS n) AS job`;
const EVENTS = `
  INSERT INTO job_events (job_id, at, type, detail)
  SELECT id, ended_at, event.type, detail::jsonb
    FROM jobs, (VALUES ('callback_received', '{"status": "Completed"}')) AS event (type, detail)
   WHERE ended_at IS NOT NULL ORDER BY id`;
const CALLBACKS = `
  INSERT INTO callbacks (job_id, upstream_id, status, proved_by, client_address, received_at,
                         last_received_at)
  SELECT id, upstream_id, 'Completed', 'token', '127.0.0.1', ended_at, ended_at
    FROM jobs WHERE ended_at IS NOT NULL ORDER BY id`;

const AT_A_TIME = 250_000;

/** Fills the tables of a gateway that has none of them yet. */
export async function addFinishedJobs(
  postgres: Postgres,
  databaseUrl: string,
  count: number,
): Promise<void> {
  for (let left = count; left > 0; left -= AT_A_TIME) {
    await postgres.query(databaseUrl, JOBS, [left, Math.max(left - AT_A_TIME, 0) + 1]);
  }
  await postgres.query(databaseUrl, EVENTS);
  await postgres.query(databaseUrl, CALLBACKS);
  await postgres.query(databaseUrl, 'VACUUM ANALYZE');
  await postgres.query(databaseUrl, 'CHECKPOINT');
}

export async function sizeOf(postgres: Postgres, databaseUrl: string): Promise<string> {
  const [row] = await postgres.query<{ size: string }>(
    databaseUrl,
    'SELECT pg_size_pretty(pg_database_size(current_database())) AS size',
  );
  return row?.size ?? 'unknown';
}
