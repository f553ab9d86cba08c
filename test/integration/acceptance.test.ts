import { Client } from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { v7 as uuidv7 } from 'uuid';
import { JobAcceptance } from '../../src/jobs/submission/job-acceptance.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';

/* Jobs that come at about the same time share a transaction, and nothing of each other's. */

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway({ ROLES: 'api', REQUEST_MAX_BYTES: '3000000' });
});
afterEach(() => gateway.close());

const submit = (body: Record<string, unknown>, headers: Record<string, string> = {}) =>
  gateway.call(
    'POST',
    '/v1/jobs',
    { type: 'parse', input: 'https://example.com/a.pdf', ...body },
    headers,
  );

async function count(sql: string): Promise<number> {
  const { rows } = await gateway.pool.query(`SELECT count(*)::int AS n FROM ${sql}`);
  return rows[0].n;
}

it('inserts each job of a burst as it was sent, due for submission', async () => {
  const answers = await Promise.all(
    Array.from({ length: 150 }, (_, n) =>
      submit({ metadata: { n }, priority: n % 2 === 0, options: { text: 'ä"\\\n', n } }),
    ),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  const { rows } = await gateway.pool.query(
    `SELECT id, metadata, request::json->'options'->'n' AS n,
            request::json->'options'->>'text' AS text, priority, next_check_at <= now() AS due
       FROM jobs`,
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  expect(byId.size).toBe(150);
  answers.forEach(({ body }, n) => {
    expect(byId.get(body.id)).toMatchObject({
      metadata: `{"n":${n}}`,
      n,
      text: 'ä"\\\n',
      priority: n % 2 === 0,
      due: true,
    });
  });
});

it('returns the same body as a read of the job', async () => {
  const { body } = await submit({ metadata: { a: [1, { b: null }] }, priority: true });
  expect(body).toEqual((await gateway.call('GET', `/v1/jobs/${body.id}`)).body);
});

it('fails only the job that PostgreSQL refuses', async () => {
  const good = Array.from({ length: 20 }, (_, n) => submit({ n }));
  const unstorable = {
    id: uuidv7(),
    // No text of PostgreSQL holds this character.
    service: 'a\u0000b',
    type: 'parse' as const,
    priority: false,
    request: '{}',
    refersToJobs: false,
    metadata: null,
    channels: null,
    webhookUrl: null,
    idempotencyKey: null,
    requestHash: null,
    trace: null,
  };
  const bad = gateway.app.get(JobAcceptance, { strict: false }).acceptJob(unstorable, 100, []);
  await expect(bad).rejects.toThrow('Unicode');
  const answers = await Promise.all(good);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  expect(await count('jobs')).toBe(20);
});

it('accepts large and small jobs together', async () => {
  const answers = await Promise.all([
    ...Array.from({ length: 10 }, () => submit({ options: { text: 'x'.repeat(2_000_000) } })),
    ...Array.from({ length: 10 }, () => submit({})),
  ]);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
});

it('creates one job per service and idempotency key', async () => {
  const keys = Array.from({ length: 30 }, (_, n) => `key-${n}`);
  const rounds = [keys, keys.toReversed(), keys, keys.toReversed()];
  const answers = await Promise.all(
    rounds.flat().map(async (key) => {
      const { status, body } = await submit({}, { 'idempotency-key': key });
      return { status, key, id: body.id };
    }),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  const ids = Map.groupBy(answers, ({ key }) => key);
  for (const same of ids.values()) expect(new Set(same.map(({ id }) => id)).size).toBe(1);
  expect(await count('jobs')).toBe(30);
});

it('returns 503 while the database is blocked, and stores every job that got 202', async () => {
  const lock = new Client({ connectionString: gateway.settings.DATABASE_URL });
  await lock.connect();
  await lock.query('BEGIN; LOCK TABLE jobs IN EXCLUSIVE MODE');
  const sending = Array.from({ length: 2400 }, () => submit({}));
  const refused = await eventually('an answer', async () => Promise.race(sending));
  expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  await lock.query('COMMIT');
  await lock.end();
  const answers = await Promise.all(sending);
  const taken = answers.filter(({ status }) => status === 202).length;
  expect(await count('jobs')).toBe(taken);
});
