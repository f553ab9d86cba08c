import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consoleUser } from '../support/console.js';
import {
  eventually,
  send,
  startGateway,
  type Answer,
  type TestGateway,
} from '../support/gateway.js';
import { upstreamId } from '../support/console.js';

let gateway: TestGateway;
let id: string;

beforeAll(async () => {
  gateway = await startGateway(
    { POLL_SCHEDULE_SECONDS: '600', RECONCILE_INTERVAL_SECONDS: '3600' },
    { platform: { queueMs: 3_600_000 } },
  );
  id = await gateway.submit();
});
afterAll(() => gateway.close());

const page = (query: string): Promise<Answer> =>
  gateway.call('GET', `/v1/jobs/${id}/events${query}`);

async function fill(count: number): Promise<void> {
  await gateway.pool.query(
    `INSERT INTO job_events (job_id, type, detail)
     SELECT $1, 'polled', jsonb_build_object('answer', 'open', 'n', n) FROM generate_series(1, $2) AS n`,
    [id, count],
  );
}

describe('the events of a job', () => {
  it('lists events oldest first, page by page, each once', async () => {
    await fill(250);
    const seen: { at: string; type: string; detail: { n?: number } }[] = [];
    let cursor: string | null = '0';
    while (cursor !== null) {
      const { status, body }: Answer = await page(`?limit=60&cursor=${cursor}`);
      expect(status).toBe(200);
      expect(body.events.length).toBeLessThanOrEqual(60);
      seen.push(...body.events);
      cursor = body.nextCursor;
    }
    const numbers = seen.flatMap(({ detail }) => detail.n ?? []);
    expect(numbers).toEqual(Array.from({ length: 250 }, (_, index) => index + 1));
    expect(seen[0]?.type).toBe('accepted');
  });

  it('lists at most 100 events without a limit, with the next cursor', async () => {
    const { body } = await page('');
    expect(body.events).toHaveLength(100);
    expect(body.nextCursor).toMatch(/^\d+$/);
  });

  it('returns a null cursor on the last page of events', async () => {
    const { body } = await page(`?cursor=${'9'.repeat(18)}`);
    expect(body).toEqual({ events: [], nextCursor: null });
  });

  it.each([
    'limit=0',
    'limit=201',
    'limit=x',
    'limit=1.5',
    'cursor=x',
    'cursor=-1',
    `cursor=${'9'.repeat(19)}`,
    'cursor=1&cursor=2',
    'offset=1',
  ])('are refused with 422 for %s', async (query) => {
    expect(await page(`?${query}`)).toMatchObject({
      status: 422,
      body: { code: 'invalid_query' },
    });
  });

  it('pages through events in the console', async () => {
    const user = await consoleUser(gateway);
    const first = String((await user.get(`/admin/jobs/${id}`)).body);
    expect(first.length).toBeLessThan(200_000);
    const next = /href="(\/admin\/jobs\/[^"]+cursor=\d+)"/.exec(first)?.[1] ?? '';
    expect((await user.get(next)).status).toBe(200);
  });
});

describe('a job whose token leaked', () => {
  const counts = async (
    job: string,
  ): Promise<{ rows: number; events: number; received: number }> => {
    const { rows } = await gateway.pool.query(
      `SELECT (SELECT count(*)::int FROM callbacks WHERE job_id = $1) AS rows,
              (SELECT count(*)::int FROM job_events
                WHERE job_id = $1 AND type = 'callback_received') AS events,
              (SELECT coalesce(sum(deliveries), 0)::int FROM callbacks WHERE job_id = $1) AS received`,
      [job],
    );
    return rows[0];
  };

  it('keeps 20 different callbacks and counts the others', async () => {
    const job = await gateway.submit();
    const upstream = await upstreamId(gateway, job);
    const metadata = { gateway_job_id: job, token: gateway.tokens.signJobId(job) };
    for (let from = 0; from < 300; from += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_, n) =>
          send(`${gateway.url}/webhooks/reducto`, 'POST', {
            status: `status-${from + n}`,
            job_id: upstream,
            metadata,
          }),
        ),
      );
    }
    const found = await eventually('all callbacks counted', async () => {
      const now = await counts(job);
      return now.received === 300 ? now : undefined;
    });
    expect(found).toEqual({ rows: 20, events: 20, received: 300 });
  });

  it('records at most 200 polls in its timeline', async () => {
    const job = await gateway.submit();
    await upstreamId(gateway, job);
    await gateway.pool.query(`UPDATE jobs SET polls = 200 WHERE id = $1`, [job]);
    const user = await consoleUser(gateway);
    await user.post(`/admin/jobs/${job}/poll`);
    await eventually('a poll', async () => {
      const { rows } = await gateway.pool.query(`SELECT polls FROM jobs WHERE id = $1`, [job]);
      return rows[0].polls > 200 ? true : undefined;
    });
    expect(await gateway.events(job)).not.toContain('polled');
  });
});
