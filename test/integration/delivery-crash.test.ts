import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Pool } from 'pg';
import { afterEach, expect, it } from 'vitest';
import { endJob } from '../support/endpoints.js';
import { newDatabase } from '../support/gateway.js';
import { cleanUp, cleanUps, end, start, type Started } from '../support/processes.js';
import { startReceiver } from '../support/receiver.js';

afterEach(cleanUp);

const ROUNDS = 5;
const JOBS_PER_ROUND = 60;

it('killed workers lose no event, and each end has exactly one', async () => {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const pool = new Pool({ connectionString: database.url, max: 4 });
  cleanUps.push(() => pool.end());
  const receiver = await startReceiver();
  cleanUps.push(() => receiver.close());
  const secret = `plain:whsec_${randomBytes(32).toString('base64')}`;
  for (const service of ['one', 'two']) {
    await pool.query(`INSERT INTO endpoints (id, service, url, secret) VALUES ($1, $2, $3, $4)`, [
      randomUUID(),
      service,
      receiver.url,
      secret,
    ]);
  }
  const worker = (): Promise<Started> =>
    start({
      DATABASE_URL: database.url,
      REDUCTO_API_KEY: 'unused',
      REDUCTO_BASE_URL: 'http://127.0.0.1:9',
      WEBHOOK_MODE: 'none',
      ROLES: 'worker',
      LOG_FORMAT: 'json',
    });
  const workers = [await worker(), await worker()];
  const jobs: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const ends = Array.from({ length: JOBS_PER_ROUND }, async (_, n) => {
      await setTimeout(Math.random() * 300);
      jobs.push(await endJob({ pool }, n % 2 === 0 ? 'one' : 'two'));
    });
    await setTimeout(Math.random() * 300);
    const victim = workers.shift();
    if (victim !== undefined) await end(victim.child, 'SIGKILL');
    await Promise.all(ends);
    workers.push(await worker());
  }
  const count = async (where: string): Promise<number> =>
    (await pool.query(`SELECT count(*)::int AS n FROM ${where}`)).rows[0].n;
  await expect
    .poll(() => count(`deliveries WHERE status = 'delivered'`), { timeout: 60_000 })
    .toBe(ROUNDS * JOBS_PER_ROUND);
  expect(await count('event_outbox')).toBe(0);
  expect(await count('events')).toBe(jobs.length);
  expect(await count('(SELECT DISTINCT job_id FROM events) AS distinct_jobs')).toBe(jobs.length);
  const bodies = receiver.requests.map(({ body, headers }) => ({
    id: headers['webhook-id'],
    jobId: JSON.parse(body.toString()).data.id,
  }));
  expect(new Set(bodies.map(({ jobId }) => jobId))).toEqual(new Set(jobs));
  // One id for each end, on every attempt.
  expect(new Set(bodies.map(({ id, jobId }) => `${id} ${jobId}`)).size).toBe(jobs.length);
}, 180_000);
