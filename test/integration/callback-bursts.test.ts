import { Client } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually, send, startGateway, type TestGateway } from '../support/gateway.js';
import { waitingJobs } from '../support/waiting-jobs.js';

/* Many callbacks at once: they share commits, and none is lost or mixed up with another. */

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway({
    WEBHOOK_BACKLOG: '400',
    POLL_SCHEDULE_SECONDS: '600',
    REDUCTO_POLLS_PER_SECOND: '1000',
    RECONCILE_INTERVAL_SECONDS: '3600',
  });
});
afterEach(() => gateway.close());

interface Message {
  status: string;
  job_id: string;
  metadata: { gateway_job_id: string; token: string };
}

async function messages(count: number): Promise<Message[]> {
  // No poll by the schedule ends them before their callbacks.
  const upstream = await waitingJobs(gateway, count, 3600);
  await Promise.all(upstream.map((job) => gateway.sandbox.runner.complete(job)));
  const { rows } = await gateway.pool.query('SELECT id, upstream_id FROM jobs');
  return rows.map(({ id, upstream_id }) => ({
    status: 'Completed',
    job_id: upstream_id,
    metadata: { gateway_job_id: id, token: gateway.tokens.signJobId(id) },
  }));
}
const post = (message: unknown) => send(`${gateway.url}/webhooks/reducto`, 'POST', message);

it('each of a burst with repeats is stored, counted and acted upon, once', async () => {
  const all = await messages(100);
  const burst = [...all, ...all, ...all];
  const answers = await Promise.all(burst.map(post));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const entered = async (): Promise<unknown> => {
    const { rows } = await gateway.pool.query(
      'SELECT count(*)::int AS messages, sum(deliveries)::int AS deliveries FROM callbacks',
    );
    return rows[0];
  };
  await expect.poll(entered).toEqual({ messages: 100, deliveries: 300 });
  const completed = async (): Promise<number> => {
    const { rows } = await gateway.pool.query(
      `SELECT count(*)::int AS n FROM jobs WHERE status = 'completed' AND settled_by = 'webhook'`,
    );
    return rows[0].n;
  };
  await expect.poll(completed).toBe(100);
  const events = await gateway.pool.query(
    `SELECT count(*)::int AS n FROM job_events WHERE type = 'callback_received'`,
  );
  expect(events.rows[0].n).toBe(100);
});

it('checks each callback of a batch by itself', async () => {
  const all = await messages(60);
  const early = all.slice(0, 10).map(({ metadata }) => metadata.gateway_job_id);
  await gateway.pool.query('UPDATE jobs SET upstream_id = NULL WHERE id = ANY ($1)', [early]);
  const burst = all.flatMap((message, n) => {
    const id = uuidv7();
    const stranger = { gateway_job_id: id, token: gateway.tokens.signJobId(id) };
    const { [n + 1]: next = message } = all;
    return [
      { status: 200, sent: message },
      { status: 404, sent: { ...message, metadata: stranger } },
      ...(n < 10 ? [] : [{ status: 404, sent: { ...message, job_id: `${next.job_id}x` } }]),
    ];
  });
  const answers = await Promise.all(burst.map(async ({ sent }) => (await post(sent)).status));
  expect(answers).toEqual(burst.map(({ status }) => status));
  const stored = async (): Promise<unknown> => {
    const { rows } = await gateway.pool.query('SELECT job_id, upstream_id FROM callbacks');
    return new Set(rows.map(({ job_id, upstream_id }) => `${job_id} ${upstream_id}`));
  };
  const ours = all.map(({ job_id, metadata }) => `${metadata.gateway_job_id} ${job_id}`);
  await expect.poll(stored).toEqual(new Set(ours));
});

it('makes its job due when the poll that runs has ended', async () => {
  const [message] = await messages(1);
  const lease = `lease = gen_random_uuid(), worker = 0, next_check_at = now() + interval '1 hour'`;
  await gateway.pool.query(`UPDATE jobs SET ${lease}`);
  expect((await post(message)).status).toBe(200);
  const job = async (): Promise<unknown> => {
    const { rows } = await gateway.pool.query(
      `SELECT status, poll_requested, next_check_at > now() + interval '30 min' AS leased FROM jobs`,
    );
    return rows;
  };
  await expect.poll(job).toEqual([{ status: 'submitted', poll_requested: true, leased: true }]);
});

it('one that PostgreSQL would not take as it is harms neither itself nor the others', async () => {
  const [first, ...others] = await messages(30);
  const odd = { ...first, status: 'Com\u0000ple\ud800ted' };
  const answers = await Promise.all([odd, ...others].map(post));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
});

it.each(['callback_inbox', 'jobs'])(
  'answers 503 beyond WEBHOOK_BACKLOG while %s is locked, and stores every callback that got 200',
  async (table) => {
    const all = await messages(300);
    const lock = new Client({ connectionString: gateway.settings.DATABASE_URL });
    await lock.connect();
    await lock.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    const sending = [...all, ...all, ...all, ...all].map(post);
    const refused = await eventually('an answer', async () => Promise.race(sending));
    expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await lock.query('COMMIT');
    await lock.end();
    const answers = await Promise.all(sending);
    const accepted = answers.filter(({ status }) => status === 200).length;
    expect(accepted).toBeGreaterThan(0);
    expect(answers.filter(({ status }) => status === 503)).toHaveLength(sending.length - accepted);
    const { rows } = await gateway.pool.query(`SELECT
      (SELECT count(*) FROM callback_inbox) +
      (SELECT coalesce(sum(deliveries), 0) FROM callbacks) AS n`);
    expect(Number(rows[0].n)).toBe(accepted);
  },
);
