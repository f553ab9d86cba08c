import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach, expect, it } from 'vitest';
import { newDatabase, send } from '../support/gateway.js';
import { cleanUp, cleanUps, end, start } from '../support/processes.js';

/* What a crash and a stop leave of the audit. */

afterEach(cleanUp);

/** The time in which a crash can lose entries (docs/architecture.md), and time to write them. */
const BOUND_MILLISECONDS = 1000 + 4000;
const REFUSALS = 400;

async function flooded(): Promise<{
  total: () => Promise<number>;
  stop: (how: 'SIGKILL' | 'SIGTERM') => Promise<unknown>;
}> {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const gateway = await start({
    DATABASE_URL: database.url,
    REDUCTO_API_KEY: 'unused',
    REDUCTO_BASE_URL: 'http://127.0.0.1:9',
    PUBLIC_URL: 'http://127.0.0.1:9',
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
    LOG_FORMAT: 'json',
  });
  const forge = () =>
    send(`${gateway.url}/webhooks/reducto`, 'POST', { status: 'Completed', job_id: 'forged' });
  for (let sent = 0; sent < REFUSALS; sent += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, forge));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
  }
  const total = async (): Promise<number> => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query(
      `SELECT coalesce(sum(count), 0)::int AS n FROM audit_entries WHERE kind <> 'action'`,
    );
    await client.end();
    return rows[0].n;
  };
  return { total, stop: (how) => end(gateway.child, how) };
}

it('what was refused longer than the bound before a crash is on record, to the last one', async () => {
  const { total, stop } = await flooded();
  // The one thing here that is about time: what may be lost is what came within the bound.
  await setTimeout(BOUND_MILLISECONDS);
  await stop('SIGKILL');
  expect(await total()).toBe(REFUSALS);
});

it('a stop loses nothing', async () => {
  const { total, stop } = await flooded();
  expect(await stop('SIGTERM')).toBe(0);
  expect(await total()).toBe(REFUSALS);
});
