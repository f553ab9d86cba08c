import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataSource, type EntityManager } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EndpointsStore } from '../../src/deliveries/endpoints/endpoints.store.js';
import { FanOutStore } from '../../src/deliveries/events/fan-out.store.js';
import { FanOutWork } from '../../src/deliveries/events/fan-out.work.js';
import { TERMINAL_STATUSES, predecessorsOf } from '../../src/jobs/job-status.js';
import { JobTransitionsStore } from '../../src/jobs/persistence/job-transitions.store.js';
import { JobCompletionStore } from '../../src/jobs/polling/job-completion.store.js';
import { RetentionService } from '../../src/retention/retention.service.js';
import { createEndpoint, endJob } from '../support/endpoints.js';
import { eventually, type TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { acceptRows, refuseRows } from '../support/refusing-database.js';

/* Each end of a job is in the outbox, and becomes exactly one event. No worker runs by itself. */

let gateway: TestGateway;
let transitions: JobTransitionsStore;
let completions: JobCompletionStore;
let fanOut: FanOutWork;
let manager: DataSource['manager'];

beforeAll(async () => {
  gateway = await startIdleGateway();
  transitions = gateway.app.get(JobTransitionsStore, { strict: false });
  completions = gateway.app.get(JobCompletionStore, { strict: false });
  fanOut = gateway.app.get(FanOutWork, { strict: false });
  manager = gateway.app.get(DataSource, { strict: false }).manager;
});
afterAll(() => gateway.close());
beforeEach(async () => {
  await gateway.pool.query('TRUNCATE jobs, job_results, result_chunks, event_outbox, events');
});

const LEASE = randomUUID();
const ENDPOINT = randomUUID();

async function jobIn(status: string, metadata: string | null = null): Promise<string> {
  const id = randomUUID();
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, request, request_hash, status, lease, metadata, next_check_at)
     VALUES ($1, 'invoices', 'parse', '{}', '\\x00', $2, $3, $4, now())`,
    [id, status, LEASE, metadata],
  );
  return id;
}

const end = (id: string, to: (typeof TERMINAL_STATUSES)[number], fence = 'true') =>
  transitions.transition(manager, id, to, { settledBy: 'reconciler' }, null, [fence, {}]);

const complete = (...ids: string[]) =>
  completions.completeJobs(
    ids.map((id) => ({
      id,
      lease: LEASE,
      content: {
        contentId: randomUUID(),
        sha256: 'x',
        sizeBytes: '2',
        storedBytes: '2',
        bytes: Buffer.from('{}'),
      },
      files: [],
      missingFiles: [],
    })),
  );

async function outboxOf(id: string): Promise<number> {
  const { rowCount } = await gateway.pool.query('SELECT FROM event_outbox WHERE job_id = $1', [id]);
  return rowCount ?? 0;
}

interface EventRow {
  id: string;
  type: string;
  service: string;
  job_id: string;
  body: string;
}
const events = async (): Promise<EventRow[]> =>
  (await gateway.pool.query<EventRow>('SELECT * FROM events ORDER BY id')).rows;

async function fanOutAll(): Promise<void> {
  while ((await fanOut.perform()) > 0);
}

describe('the outbox', () => {
  const ends = TERMINAL_STATUSES.flatMap((to) =>
    predecessorsOf(to).map((from) => [from, to] as const),
  );

  it.each(ends)('has the end of a %s job that becomes %s', async (from, to) => {
    const id = await jobIn(from);
    expect(await end(id, to)).toBeDefined();
    expect(await outboxOf(id)).toBe(1);
  });

  it('has the ends of jobs that complete in one statement', async () => {
    const ids = [await jobIn('submitted'), await jobIn('submitted')];
    await complete(...ids);
    expect(await Promise.all(ids.map(outboxOf))).toEqual([1, 1]);
  });

  it('has nothing of a transition that did not apply', async () => {
    const id = await jobIn('submitted');
    await end(id, 'failed', 'false');
    expect(await outboxOf(id)).toBe(0);
  });

  it('has nothing of a second end', async () => {
    const id = await jobIn('submitted');
    await end(id, 'failed');
    await end(id, 'expired');
    expect(await outboxOf(id)).toBe(1);
  });

  it('is written by every statement of the source that ends jobs', async () => {
    const entries = await readdir('src', { recursive: true, withFileTypes: true });
    const files = entries.filter(({ name }) => name.endsWith('.ts'));
    const ending: string[] = [];
    for (const { parentPath, name } of files) {
      const text = await readFile(join(parentPath, name), 'utf8');
      const statements = text.match(/ended_at\s*=(?!\s*NULL)[^=]|endedAt: now\b/g) ?? [];
      // Others only change rows of other tables or compare.
      if (!/UPDATE jobs|update\(Job\)/.test(text) || statements.length === 0) continue;
      const recorded = text.match(/recordEnds\('/g) ?? [];
      ending.push(`${name}: ${recorded.length} of ${statements.length}`);
    }
    expect(ending.toSorted()).toEqual([
      'job-completion.store.ts: 1 of 1',
      'job-transitions.store.ts: 1 of 1',
    ]);
  });
});

describe('the fan-out', () => {
  it('makes one event of an end, with the metadata as the service wrote it', async () => {
    const metadata = '{"b":1.50,  "a":"\\u0000", "constructor":9007199254740993}';
    const id = await jobIn('submitted', metadata);
    await complete(id);
    await fanOutAll();
    const { apiUrl } = gateway.settings;
    const [event, ...rest] = await events();
    expect(rest).toEqual([]);
    expect(event).toMatchObject({ type: 'job.completed', service: 'invoices', job_id: id });
    expect(event?.body).toContain(`"metadata":${metadata},`);
    expect(JSON.parse(event?.body ?? '')).toMatchObject({
      type: 'job.completed',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      data: {
        id,
        type: 'parse',
        status: 'completed',
        error: null,
        links: {
          job: `${apiUrl}/v1/jobs/${id}`,
          result: `${apiUrl}/v1/jobs/${id}/result`,
          events: `${apiUrl}/v1/jobs/${id}/events`,
        },
      },
    });
    expect(await outboxOf(id)).toBe(0);
  });

  it('gives events ids of version 7 by the time of their insert', async () => {
    await end(await jobIn('submitted'), 'failed');
    const before = Date.now();
    await fanOutAll();
    const [event] = await events();
    expect(event?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-/);
    const milliseconds = Number.parseInt((event?.id ?? '').replaceAll('-', '').slice(0, 12), 16);
    expect(Math.abs(milliseconds - before)).toBeLessThan(60_000);
  });

  it('gives events ids in the order of their inserts, also after the clock was set back', async () => {
    const made: string[] = [];
    const makeEvent = async () => {
      const job = await jobIn('submitted');
      await end(job, 'failed');
      await fanOutAll();
      made.push(job);
    };
    await makeEvent();
    // As if the clock had been an hour ahead.
    await gateway.pool.query(
      `SELECT setval('event_times', last_value + 14745600000) FROM event_times`,
    );
    for (let n = 0; n < 5; n++) await makeEvent();
    expect((await events()).map(({ job_id }) => job_id)).toEqual(made);
  });

  it('makes one event per end where several processes fan out at once', async () => {
    const ids = await Promise.all(Array.from({ length: 50 }, () => jobIn('submitted')));
    await Promise.all([
      ...ids.map((id) => end(id, 'failed')),
      ...Array.from({ length: 8 }, () => fanOut.perform()),
    ]);
    await Promise.all(Array.from({ length: 4 }, () => fanOutAll()));
    expect((await events()).map(({ job_id }) => job_id).toSorted()).toEqual(ids.toSorted());
  });

  it('makes no event visible below one that was visible before', async () => {
    const seen: string[] = [];
    const done = new AbortController();
    const reader = (async () => {
      while (!done.signal.aborted) {
        const last = seen.at(-1) ?? '00000000-0000-0000-0000-000000000000';
        const { rows } = await gateway.pool.query<EventRow>(
          'SELECT id FROM events WHERE id > $1 ORDER BY id',
          [last],
        );
        seen.push(...rows.map(({ id }) => id));
      }
    })();
    for (let round = 0; round < 10; round++) {
      const ids = await Promise.all(Array.from({ length: 10 }, () => jobIn('submitted')));
      await Promise.all(
        ids.map(async (id) => {
          await end(id, 'failed');
          await fanOut.perform();
        }),
      );
    }
    await fanOutAll();
    done.abort();
    await reader;
    const all = (await events()).map(({ id }) => id);
    expect(all).toHaveLength(100);
    expect(seen).toEqual(all.slice(0, seen.length));
  });

  it('does not read what earlier batches have deleted, while an old snapshot keeps it', async () => {
    const BACKLOG = 5000;
    await gateway.pool.query(
      `WITH job AS (
         INSERT INTO jobs (id, service, type, status, ended_at)
         SELECT gen_random_uuid(), 'backlog', 'parse', 'completed', now() FROM generate_series(1, $1) RETURNING id)
       INSERT INTO event_outbox (job_id) SELECT id FROM job`,
      [BACKLOG],
    );
    const backup = await gateway.pool.connect();
    const entriesRead = async (): Promise<number> => {
      const { rows } = await gateway.pool.query<{ read: string }>(
        `SELECT idx_tup_read AS read, pg_stat_clear_snapshot() FROM pg_stat_user_indexes WHERE indexrelname = 'event_outbox_pk'`,
      );
      return Number(rows[0]?.read);
    };
    try {
      await backup.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await backup.query('SELECT count(*) FROM event_outbox');
      const before = await entriesRead();
      await fanOutAll();
      expect(await events()).toHaveLength(BACKLOG);
      const read = await eventually('the statistics of PostgreSQL', async () => {
        // A connection reports what it has read when it is used again, a second later.
        await Promise.all(Array.from({ length: 5 }, () => manager.query('SELECT pg_sleep(0.01)')));
        const now = (await entriesRead()) - before;
        return now > 2 * BACKLOG ? now : undefined;
      });
      // Each entry is found, deleted, and read once more by the batch that finds nothing.
      expect(read).toBeLessThan(4 * BACKLOG);
    } finally {
      await backup.query('ROLLBACK');
      backup.release();
    }
  });

  it.each<[string, (manager: EntityManager) => Promise<unknown>]>([
    [
      'an event about an endpoint',
      (transaction) =>
        gateway.app.get(FanOutStore, { strict: false }).insertEndpointEvent(transaction, {
          service: 'invoices',
          type: 'endpoint.test',
          endpointId: randomUUID(),
          body: '{}',
        }),
    ],
    [
      'the lock of an endpoint',
      (transaction) =>
        gateway.app.get(EndpointsStore, { strict: false }).lock(transaction, ENDPOINT),
    ],
    [
      'the disabling of an endpoint',
      (transaction) =>
        gateway.app
          .get(EndpointsStore, { strict: false })
          .disable(ENDPOINT, 'gone', 0, transaction),
    ],
  ])('is not blocked by a process that hangs in the transaction of %s', async (_what, begin) => {
    await gateway.pool.query(
      `INSERT INTO endpoints (id, service, url, secret) VALUES ($1, 'invoices', 'https://example.com/', 'x')
       ON CONFLICT DO NOTHING`,
      [ENDPOINT],
    );
    const limit = await manager.transaction(async (transaction) => {
      await begin(transaction);
      return transaction.query(`SHOW idle_in_transaction_session_timeout`);
    });
    expect(limit).toEqual([{ idle_in_transaction_session_timeout: '5s' }]);
  });

  it('skips a job whose event PostgreSQL refuses, and makes the events of the others', async () => {
    const ids = [];
    for (let n = 0; n < 5; n++) ids.push(await jobIn('submitted', JSON.stringify({ n })));
    await complete(...ids);
    await refuseRows(gateway.pool, 'events', `NEW.body LIKE '%"n":2%'`);
    try {
      await fanOutAll();
      expect(await events()).toHaveLength(4);
      expect(await outboxOf(ids[2] ?? '')).toBe(1);
    } finally {
      await acceptRows(gateway.pool, 'events');
    }
  });

  it('gives no endpoint the end of a job that ended before the endpoint was created', async () => {
    const before = await createEndpoint(gateway);
    const job = await endJob(gateway, before.service);
    await createEndpoint(gateway, undefined, {}, before.service);
    await fanOutAll();
    const { rows } = await gateway.pool.query<{ endpoint_id: string }>(
      'SELECT deliveries.endpoint_id FROM deliveries JOIN events ON events.id = event_id WHERE job_id = $1',
      [job],
    );
    expect(rows).toEqual([{ endpoint_id: before.id }]);
  });

  it('still makes the event of a job past its retention', async () => {
    const id = await jobIn('submitted');
    await end(id, 'failed');
    await gateway.pool.query(`UPDATE jobs SET ended_at = now() - interval '1000 days'`);
    const retention = gateway.app.get(RetentionService, { strict: false });
    expect((await retention.sweep()).jobs).toBe(0);
    await fanOutAll();
    expect(await events()).toHaveLength(1);
    expect((await retention.sweep()).jobs).toBe(1);
  });
});

it('deletes events past their retention', async () => {
  await end(await jobIn('submitted'), 'failed');
  await fanOutAll();
  await gateway.pool.query(
    `INSERT INTO events (id, service, type, body)
     VALUES ('018c0000-0000-7000-8000-000000000000', 'invoices', 'endpoint.test', '{}')`,
  );
  await gateway.pool.query(
    `UPDATE events SET created_at = now() - interval '1000 days' WHERE type = 'endpoint.test'`,
  );
  const retention = gateway.app.get(RetentionService, { strict: false });
  expect((await retention.sweep()).events).toBe(1);
  expect(await events()).toHaveLength(1);
});
