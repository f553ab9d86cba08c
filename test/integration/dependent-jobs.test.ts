import { randomBytes, randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { TerminalStatus } from '../../src/jobs/job-status.js';
import { JobTransitionsStore } from '../../src/jobs/persistence/job-transitions.store.js';
import { DependentJobs } from '../../src/jobs/submission/dependent-jobs.js';
import { WakeUpWork } from '../../src/jobs/submission/wake-up.work.js';
import { JobInputsStore } from '../../src/jobs/submission/job-inputs.store.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import { submitDue } from '../support/due-work.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';

/* Jobs that sleep until the jobs whose results they need have ended. No worker runs by itself. */

let gateway: TestGateway;
const clients: Client[] = [];
beforeAll(async () => {
  gateway = await startIdleGateway({ JOB_MAX_AGE_SECONDS: '600' });
});
afterAll(() => gateway.close());
afterEach(async () => {
  vi.restoreAllMocks();
  for (const client of clients.splice(0)) await client.end();
  await gateway.pool.query('DELETE FROM jobs; DELETE FROM job_inputs');
});

const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });
const row = async (id: string) =>
  (await gateway.pool.query('SELECT * FROM jobs WHERE id = $1', [id])).rows[0];
const inputsOf = async (id: string): Promise<string[]> => {
  const found = await gateway.pool.query('SELECT input_id FROM job_inputs WHERE job_id = $1', [id]);
  return found.rows.map(({ input_id }) => input_id);
};
const isAsleep = async (id: string): Promise<boolean> => {
  const found = await gateway.pool.query(
    `SELECT next_check_at > now() + interval '5 min' AS asleep FROM jobs
      WHERE id = $1 AND status = 'queued' AND lease IS NULL`,
    [id],
  );
  return found.rows[0]?.asleep === true;
};
const isDue = async (id: string): Promise<boolean> =>
  (await gateway.pool.query('SELECT id FROM jobs WHERE id = $1 AND next_check_at <= now()', [id]))
    .rowCount === 1;
const newClient = async (): Promise<Client> => {
  const client = new Client({ connectionString: String(gateway.settings.DATABASE_URL) });
  await client.connect();
  clients.push(client);
  return client;
};
const dependentOn = (...sources: string[]): Promise<string> =>
  gateway.submit({ input: sources.map((source) => `jobid://${source}`) });
const wakeDependents = 'SELECT wake_dependents($1::uuid[]) AS woken';

/** A submitted job, which no worker polls. */
async function openJob(): Promise<string> {
  const id = await gateway.submit();
  await gateway.pool.query(
    `UPDATE jobs SET status = 'submitted', upstream_id = id::text, submitted_at = now(),
            next_check_at = now() + interval '1 day' WHERE id = $1`,
    [id],
  );
  return id;
}

function endJob(id: string, status: TerminalStatus = 'completed'): Promise<unknown> {
  return get(DataSource).transaction((manager) =>
    get(JobTransitionsStore).transition(manager, id, status, {}, null, ['true', {}]),
  );
}

describe('a job whose input is open', () => {
  it('is accepted asleep, with a reason', async () => {
    const source = await openJob();
    const answer = await gateway.call('POST', '/v1/jobs', {
      type: 'extract',
      input: `jobid://${source.toUpperCase()}`,
    });
    expect(answer.body.reason).toMatch(
      new RegExp(
        `^Job ${source}, whose result the job needs, has not completed; .+ at \\d{4}-.*Z\\.$`,
      ),
    );
    expect(answer.body).toEqual((await gateway.call('GET', `/v1/jobs/${answer.body.id}`)).body);
    expect(await isAsleep(answer.body.id)).toBe(true);
    expect(await gateway.events(answer.body.id)).toEqual(['accepted']);
  });

  it('is due when its input completes', async () => {
    const source = await openJob();
    const id = await dependentOn(source);
    await endJob(source);
    expect(await isDue(id)).toBe(true);
    expect(await row(id)).toMatchObject({ deferral_reason: null, deferred_until: null });
    expect(await inputsOf(id)).toEqual([]);
  });

  it('is due before the jobs that were accepted after it', async () => {
    const source = await openJob();
    const id = await dependentOn(source);
    const later = await gateway.submit();
    await endJob(source);
    const [woken, other] = [await row(id), await row(later)];
    expect(woken.next_check_at.getTime()).toBeLessThan(other.next_check_at.getTime());
  });

  it.each(['failed', 'cancelled', 'expired'] as const)(
    'fails at once when one of its inputs is %s and another one is open',
    async (status) => {
      const [source, other] = [await openJob(), await openJob()];
      const id = await dependentOn(source, other);
      await endJob(source, status);
      expect(await isDue(id)).toBe(true);
      await submitDue(gateway);
      const { body } = await gateway.call('GET', `/v1/jobs/${id}`);
      expect(body).toMatchObject({ status: 'failed', error: { code: 'source_unusable' } });
      expect(body.error.message).toContain(`job ${source} is ${status}`);
    },
  );

  it('sleeps until its last input has ended', async () => {
    const sources = [await openJob(), await openJob(), await openJob()];
    const id = await dependentOn(...sources);
    const last = sources.pop() ?? '';
    for (const source of sources) await endJob(source);
    expect(await isAsleep(id)).toBe(true);
    expect(await inputsOf(id)).toEqual([last]);
    await endJob(last);
    expect(await isDue(id)).toBe(true);
  });

  it('sleeps on the open one of its inputs if the other has completed', async () => {
    const [done, open] = [await openJob(), await openJob()];
    await endJob(done);
    const id = await dependentOn(done, open);
    expect(await isAsleep(id)).toBe(true);
    expect(await inputsOf(id)).toEqual([open]);
  });

  it('is cancelled at once, and stays so when its input ends', async () => {
    const source = await openJob();
    const id = await dependentOn(source);
    const { body } = await gateway.call('POST', `/v1/jobs/${id}/cancel`);
    expect(body.status).toBe('cancelled');
    await endJob(source);
    expect(await row(id)).toMatchObject({ status: 'cancelled', next_check_at: null });
  });

  it('sleeps no longer than until its maximum age', async () => {
    const id = await dependentOn(await openJob());
    const { created_at, next_check_at } = await row(id);
    expect(next_check_at - created_at).toBeLessThanOrEqual(600_000);
    await gateway.pool.query(
      `UPDATE jobs SET created_at = created_at - interval '10 min', next_check_at = now() WHERE id = $1`,
      [id],
    );
    await submitDue(gateway);
    expect(await row(id)).toMatchObject({ status: 'expired' });
  });
});

it('a chain of jobs fails through when its first job fails', async () => {
  const chain = [await openJob()];
  for (let n = 0; n < 5; n++) chain.push(await dependentOn(chain.at(-1) ?? ''));
  await endJob(chain[0] ?? '', 'failed');
  for (const _ of chain) await submitDue(gateway);
  const statuses = await Promise.all(chain.map(async (id) => (await row(id)).status));
  expect(statuses).toEqual(chain.map(() => 'failed'));
});

it('a repeated request of a sleeping job leaves no second job asleep', async () => {
  const input = `jobid://${await openJob()}`;
  const submits = Array.from({ length: 3 }, () =>
    gateway.call('POST', '/v1/jobs', { type: 'parse', input }, { 'idempotency-key': 'one' }),
  );
  const ids = new Set((await Promise.all(submits)).map(({ body }) => body.id));
  const { rows } = await gateway.pool.query('SELECT job_id FROM job_inputs');
  expect(rows).toEqual([...ids].map((job_id) => ({ job_id })));
});

describe('a leased job whose input is open', () => {
  /** As a job that was accepted while its input was locked. */
  async function dueDependents(source: string, count: number): Promise<string[]> {
    const ids = await Promise.all(Array.from({ length: count }, () => dependentOn(source)));
    await gateway.pool.query(
      `DELETE FROM job_inputs; UPDATE jobs SET next_check_at = now() WHERE status = 'queued'`,
    );
    return ids;
  }

  it('goes to sleep, and no attempt or check is in its timeline', async () => {
    const source = await openJob();
    const [id = ''] = await dueDependents(source, 1);
    await submitDue(gateway);
    expect(await isAsleep(id)).toBe(true);
    expect(await inputsOf(id)).toEqual([source]);
    expect(await gateway.events(id)).toEqual(['accepted']);
  });

  it('goes to sleep in a transaction with many others', async () => {
    const ids = await dueDependents(await openJob(), 150);
    const transactions = vi.spyOn(get(Transactions), 'run');
    await submitDue(gateway, 150);
    for (const id of ids) expect(await isAsleep(id)).toBe(true);
    expect(transactions.mock.calls.length).toBeLessThan(15);
  });

  it('is due again soon if another transaction is ending its input', async () => {
    const source = await openJob();
    const [id = ''] = await dueDependents(source, 1);
    const client = await newClient();
    await client.query('BEGIN');
    await client.query(`UPDATE jobs SET status = 'completed', ended_at = now() WHERE id = $1`, [
      source,
    ]);
    await submitDue(gateway);
    expect(await inputsOf(id)).toEqual([]);
    expect(await row(id)).toMatchObject({ status: 'queued', lease: null });
    await client.query('COMMIT');
    await eventually('due', async () => ((await isDue(id)) ? true : undefined));
  });

  it('stays leased by a worker that has replaced the lease', async () => {
    const source = await openJob();
    const [id = ''] = await dueDependents(source, 1);
    const lock = get(JobInputsStore);
    const lockOpen = lock.lockOpen.bind(lock);
    const lease = randomUUID();
    vi.spyOn(lock, 'lockOpen').mockImplementation(async (...args) => {
      await gateway.pool.query('UPDATE jobs SET lease = $2, worker = 0 WHERE id = $1', [id, lease]);
      return lockOpen(...args);
    });
    await submitDue(gateway);
    expect(await row(id)).toMatchObject({ lease, worker: 0 });
    expect(await inputsOf(id)).toEqual([]);
  });
});

describe('an input that ends while a job goes to sleep', () => {
  const waiting = (client: { processID?: number | null }) =>
    eventually('a wait for a lock', async () => {
      const { rows } = await gateway.pool.query(
        `SELECT pid FROM pg_locks WHERE NOT granted AND pid = $1`,
        [client.processID],
      );
      return rows.length > 0 ? true : undefined;
    });

  it('wakes it, if the end came after the lock', async () => {
    const source = await openJob();
    const ender: Client & { processID?: number } = await newClient();
    let end: Promise<unknown> = Promise.resolve();
    const store = get(JobInputsStore);
    const lockOpen = store.lockOpen.bind(store);
    vi.spyOn(store, 'lockOpen').mockImplementation(async (...args) => {
      const open = await lockOpen(...args);
      end = ender.query(
        `WITH ended AS (UPDATE jobs SET status = 'completed', ended_at = now() WHERE id = $1 RETURNING id)
         SELECT wake_dependents(ARRAY(SELECT id FROM ended))`,
        [source],
      );
      await waiting(ender);
      return open;
    });
    const id = await dependentOn(source);
    await end;
    expect(await isDue(id)).toBe(true);
    expect(await inputsOf(id)).toEqual([]);
  });

  it('does not let it sleep, if the end came before the lock', async () => {
    const source = await openJob();
    const ender = await newClient();
    await ender.query('BEGIN');
    await ender.query(`UPDATE jobs SET status = 'completed', ended_at = now() WHERE id = $1`, [
      source,
    ]);
    await ender.query(wakeDependents, [[source]]);
    const id = await dependentOn(source);
    expect(await isDue(id)).toBe(true);
    expect(await inputsOf(id)).toEqual([]);
    await ender.query('COMMIT');
  });

  it('wakes it together with another input that ends at once', async () => {
    const sources = [await openJob(), await openJob()];
    const id = await dependentOn(...sources);
    const [first, second]: (Client & { processID?: number })[] = [
      await newClient(),
      await newClient(),
    ];
    if (first === undefined || second === undefined) throw new Error('two clients');
    const end = `UPDATE jobs SET status = 'completed', ended_at = now() WHERE id = $1`;
    await first.query('BEGIN');
    await first.query(end, [sources[0]]);
    await second.query(end, [sources[1]]);
    expect((await first.query(wakeDependents, [[sources[0]]])).rows).toEqual([{ woken: 0 }]);
    const woken = second.query(wakeDependents, [[sources[1]]]);
    await waiting(second);
    await first.query('COMMIT');
    expect((await woken).rows).toEqual([{ woken: 1 }]);
    expect(await isDue(id)).toBe(true);
  });
});

it('an end that is rolled back wakes nothing, and one that is repeated does', async () => {
  const source = await openJob();
  const id = await dependentOn(source);
  const client = await newClient();
  await client.query('BEGIN');
  await client.query(`UPDATE jobs SET status = 'completed', ended_at = now() WHERE id = $1`, [
    source,
  ]);
  expect((await client.query(wakeDependents, [[source]])).rows).toEqual([{ woken: 1 }]);
  // As the kill of the gateway's process does.
  const terminated = new Promise((resolve) => client.on('error', resolve));
  await gateway.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'`,
  );
  await terminated;
  clients.pop();
  expect(await isAsleep(id)).toBe(true);
  expect(await inputsOf(id)).toEqual([source]);
  await endJob(source);
  expect(await isDue(id)).toBe(true);
});

describe('the safety net', () => {
  it('wakes a job whose input was ended by hand', async () => {
    const [source, open] = [await openJob(), await openJob()];
    const [id, other] = [await dependentOn(source), await dependentOn(open)];
    await gateway.pool.query(
      `UPDATE jobs SET status = 'completed', ended_at = now() WHERE id = $1`,
      [source],
    );
    expect(await get(DependentJobs).wakeMissed()).toBe(1);
    expect(await isDue(id)).toBe(true);
    expect(await isAsleep(other)).toBe(true);
    expect(await get(DependentJobs).wakeMissed()).toBe(0);
  });

  it('wakes a job whose input was deleted, and the job fails', async () => {
    const source = await openJob();
    const id = await dependentOn(source);
    await gateway.pool.query('DELETE FROM jobs WHERE id = $1', [source]);
    expect(await get(DependentJobs).wakeMissed()).toBe(1);
    await submitDue(gateway);
    expect(await row(id)).toMatchObject({ status: 'failed' });
  });
});

describe('1,200 jobs that wait for one job', () => {
  let source: string;
  beforeAll(async () => {
    // Sleepers of one statement, because 1,200 requests take long.
    source = await openJob();
    const id = await dependentOn(source);
    await gateway.pool.query(
      `INSERT INTO jobs (id, service, type, request, next_check_at)
       SELECT gen_random_uuid(), service, type, request, next_check_at
         FROM jobs, generate_series(1, 1199) WHERE id = $1`,
      [id],
    );
    await gateway.pool.query(
      `INSERT INTO job_inputs (input_id, job_id)
       SELECT $1, id FROM jobs WHERE id <> $1 ON CONFLICT DO NOTHING`,
      [source],
    );
  });
  const counts = async (): Promise<unknown> => {
    const { rows } = await gateway.pool.query(`SELECT
      (SELECT count(*)::int FROM jobs WHERE status = 'queued' AND next_check_at <= now()) AS due,
      (SELECT count(*)::int FROM job_inputs) AS pairs, (SELECT count(*)::int FROM wake_ups) AS wake_ups`);
    return rows[0];
  };

  it('wake in parts, and a process that dies between parts loses none', async () => {
    await endJob(source);
    expect(await counts()).toEqual({ due: 500, pairs: 700, wake_ups: 1 });
    // What is left is no missed wake-up.
    expect(await get(DependentJobs).wakeMissed()).toBe(0);
    expect(await get(WakeUpWork).perform()).toBe(1);
    expect(await counts()).toEqual({ due: 1000, pairs: 200, wake_ups: 1 });
    expect(await get(WakeUpWork).perform()).toBe(1);
    expect(await counts()).toEqual({ due: 1200, pairs: 0, wake_ups: 0 });
    expect(await get(WakeUpWork).perform()).toBe(0);
  });
});

describe('two replicas', () => {
  it('send each extract soon after its parse has ended, whichever replica ended it', async () => {
    const TOKEN_KEYS = `1:${randomBytes(32).toString('base64')}`;
    const first = await startGateway({ TOKEN_KEYS });
    const second = await startGateway({
      DATABASE_URL: String(first.settings.DATABASE_URL),
      REDUCTO_BASE_URL: first.sandbox.url,
      TOKEN_KEYS,
    });
    try {
      const pairs = await Promise.all(
        Array.from({ length: 20 }, async (_, n) => {
          const parse = await first.submit({ sim: { runMs: 200 + n * 20 } });
          const extract = await first.submit({ type: 'extract', input: `jobid://${parse}` });
          return { parse, extract };
        }),
      );
      for (const { extract } of pairs) {
        expect(await first.ended(extract)).toMatchObject({ status: 'completed' });
      }
      const { rows } = await first.pool.query(
        `SELECT extract(epoch FROM max(extract.submitted_at - parse.ended_at))::float8 AS longest
           FROM unnest($1::uuid[], $2::uuid[]) AS pair (parse_id, extract_id)
           JOIN jobs AS parse ON parse.id = parse_id JOIN jobs AS extract ON extract.id = extract_id`,
        [pairs.map(({ parse }) => parse), pairs.map(({ extract }) => extract)],
      );
      // A wake-up takes milliseconds; without one a job would wait for its check.
      expect(rows[0].longest).toBeLessThan(5);
      expect((await first.pool.query('SELECT job_id FROM job_inputs')).rows).toEqual([]);
    } finally {
      await second.close();
      await first.close();
    }
  });
});
