import { randomBytes } from 'node:crypto';
import { Pool } from 'pg';
import { afterEach, expect, it } from 'vitest';
import { newDatabase } from '../support/gateway.js';
import { addOldJobs, countOf } from '../support/old-jobs.js';
import { cleanUp, cleanUps, end, start } from '../support/processes.js';

afterEach(cleanUp);

const JOBS = 8000;

it('a killed retention process leaves no partial deletes, and another one continues', async () => {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const pool = new Pool({ connectionString: database.url, max: 2 });
  cleanUps.push(() => pool.end());
  const count = (table: string, where?: string) => countOf(pool, table, where);
  await addOldJobs(pool, JOBS, 400);
  const [kept] = await addOldJobs(pool, 1, 3);

  const settings = {
    DATABASE_URL: database.url,
    REDUCTO_API_KEY: 'unused',
    REDUCTO_BASE_URL: 'http://127.0.0.1:9',
    PUBLIC_URL: 'http://127.0.0.1:9',
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
    RETENTION_INTERVAL_SECONDS: '1',
    ROLES: 'worker',
    LOG_FORMAT: 'json',
  };
  const first = await start(settings);
  // The jobs come last but for the bytes: it is killed in the middle of them.
  await expect.poll(() => count('jobs')).toBeLessThan(JOBS);
  await end(first.child, 'SIGKILL');
  // The server ends its session, and with it the step that was under way.
  await expect
    .poll(() =>
      count('pg_stat_activity', `application_name LIKE 'reducto-gateway%' AND state <> 'idle'`),
    )
    .toBe(0);
  const left = await count('jobs');
  expect(left).toBeGreaterThan(1);
  expect(await count('job_events')).toBe(3 * left);
  expect(await count('job_events', 'job_id NOT IN (SELECT id FROM jobs)')).toBe(0);
  expect(await count('jobs', 'result_expired_at IS NOT NULL')).toBe(left - 1);
  expect(await count('discarded_contents')).toBe(JOBS);

  // As if the time had passed after which a process that is silent counts as dead.
  await pool.query(`UPDATE retention_lease SET held_until = now() - interval '1 s'`);
  await start(settings);
  await expect.poll(() => count('jobs')).toBe(1);
  const { rows } = await pool.query('SELECT id FROM jobs');
  expect(rows).toEqual([{ id: kept }]);
  expect([await count('job_events'), await count('job_results'), await count('callbacks')]).toEqual(
    [3, 1, 1],
  );
});
