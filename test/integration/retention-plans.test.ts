import { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  DISCARDED,
  EXPIRE_RESULTS,
  DELETE_CONTENTS,
  DELETE_CHUNKS,
  DELETE_JOBS,
  SEARCH_CONTENTS,
} from '../../src/jobs/persistence/job-retention.store.js';
import { DELETE_EVENTS, LOCK_UNUSED } from '../../src/deliveries/event-retention.js';
import { DELETE_CALLBACKS } from '../../src/webhooks/callback-retention.js';
import { newDatabase } from '../support/gateway.js';
import { addOldJobs } from '../support/old-jobs.js';

/* No statement of a step reads a whole table. With a million jobs: `npm run bench:retention`. */

let database: Awaited<ReturnType<typeof newDatabase>>;
let pool: Pool;

beforeAll(async () => {
  database = await newDatabase();
  pool = new Pool({ connectionString: database.url, max: 1 });
  await addOldJobs(pool, 30_000, 400);
  await pool.query(
    `INSERT INTO discarded_contents SELECT content_id, stored_at FROM job_results LIMIT 5000`,
  );
  await pool.query(
    `INSERT INTO event_outbox SELECT id FROM jobs ORDER BY ended_at DESC LIMIT 5000`,
  );
  await pool.query(`INSERT INTO event_erasures (job_id) SELECT job_id FROM event_outbox`);
  await pool.query(
    `INSERT INTO events (id, service, type, job_id, body) SELECT new_event_id(), service, 'job.failed', id, '{}' FROM jobs`,
  );
  await pool.query(
    `INSERT INTO deliveries (event_id, endpoint_id) SELECT id, gen_random_uuid() FROM events`,
  );
  await pool.query(
    `INSERT INTO delivery_attempts (event_id, endpoint_id, attempt, at, duration_ms, process)
     SELECT event_id, endpoint_id, 1, now(), 1, 'a' FROM deliveries`,
  );
  await pool.query(
    `INSERT INTO job_files SELECT job_id, 'document.pdf', gen_random_uuid(), 'application/pdf', 1, '' FROM job_results`,
  );
  await pool.query(
    `INSERT INTO upstream_deletions (job_id, upstream_id, include_persisted) SELECT id, 'a', true FROM jobs`,
  );
  await pool.query('VACUUM ANALYZE');
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const ZERO = '00000000-0000-0000-0000-000000000000';
const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

it.each<[string, string, (contents: string[]) => unknown[]]>([
  ['expires results', EXPIRE_RESULTS, () => [30, 200]],
  ['removes jobs', DELETE_JOBS, () => [30, 200]],
  ['removes callbacks', DELETE_CALLBACKS, () => [30, 500]],
  ['removes events', DELETE_EVENTS, () => [new Date(), 500]],
  ['finds what was discarded', DISCARDED, () => [3600, 64]],
  ['removes chunks', DELETE_CHUNKS, (contents) => [contents, 64]],
  ['forgets contents', DELETE_CONTENTS, (contents) => [contents]],
  ['searches contents', SEARCH_CONTENTS, () => [ZERO, LAST, 500]],
])('what %s goes by indexes', async (_, statement, parameters) => {
  const { rows: contents } = await pool.query<{ id: string }>(DISCARDED, [3600, 64]);
  const values = parameters(contents.map(({ id }) => id));
  const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${statement}`, values);
  const plan = rows.map((row) => row['QUERY PLAN']);
  expect(plan.filter((line) => line.includes('Seq Scan'))).toEqual([]);
});

it('what finds unused origins reads neither all jobs nor all deliveries', async () => {
  await pool.query(
    `INSERT INTO endpoints (id, service, url, for_jobs, secret, created_at, updated_at)
     SELECT gen_random_uuid(), 'invoices', 'https://' || n || '.example.com/', true, 'plain:a', now() - interval '1 year', now() - interval '1 year'
       FROM generate_series(1, 100) AS n`,
  );
  await pool.query('ANALYZE endpoints');
  const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${LOCK_UNUSED}`, [
    new Date(),
    50,
  ]);
  const scans = rows.map((row) => row['QUERY PLAN']).filter((line) => line.includes('Seq Scan'));
  expect(scans.filter((line) => !line.includes('on endpoints'))).toEqual([]);
});
