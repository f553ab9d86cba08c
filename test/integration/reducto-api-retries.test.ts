import { randomBytes } from 'node:crypto';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../src/dev/free-port.js';
import { startSandbox } from '../../src/sandbox/sandbox.js';
import {
  eventually,
  newDatabase,
  send,
  startGateway,
  type Answer,
  type TestGateway,
} from '../support/gateway.js';
import { ADMIN_KEY, cleanUp, cleanUps, end, start } from '../support/processes.js';
import { head, openConnection, type RawConnection } from '../support/raw-connection.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());
afterEach(cleanUp);

let made = 0;
/** A request that equals no other one. */
const newBody = (): Record<string, unknown> => ({ input: `https://example.com/${made++}.pdf` });

interface Sent {
  readonly path?: string;
  readonly retries?: number;
  readonly key?: string;
  readonly headers?: Record<string, string>;
}

function submit(body: unknown, sent: Sent = {}): Promise<Answer> {
  const { path = '/parse_async', retries = 0, key = gateway.key, headers } = sent;
  return send(`${gateway.url}/reducto${path}`, 'POST', body, {
    authorization: `Bearer ${key}`,
    'x-stainless-retry-count': String(retries),
    ...headers,
  });
}

async function jobOf(body: unknown, sent: Sent = {}): Promise<string> {
  const answer = await submit(body, sent);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body.job_id;
}

it('gives two equal first requests two jobs', async () => {
  const body = newBody();
  expect(await jobOf(body)).not.toBe(await jobOf(body));
});

it.each(['x-stainless-retry-count', 'x-reducto-retry-count'])(
  'gives a retry by %s the job of its first request',
  async (name) => {
    const body = newBody();
    const first = await jobOf(body);
    expect(await jobOf(body, { headers: { [name]: '1' } })).toBe(first);
    expect(await jobOf(body, { headers: { [name]: '2' } })).toBe(first);
  },
);

it('gives the retries of two clients with equal requests two jobs', async () => {
  const body = newBody();
  const first = [await jobOf(body), await jobOf(body)];
  const retried = [await jobOf(body, { retries: 1 }), await jobOf(body, { retries: 1 })];
  expect(retried.toSorted()).toEqual(first.toSorted());
});

it('gives a retry a new job whose first request never arrived, and joins later retries', async () => {
  const body = newBody();
  const second = await jobOf(body, { retries: 1 });
  expect(await jobOf(body, { retries: 2 })).toBe(second);
});

it.each([
  ['another body', { body: { input: 'https://example.com/other.pdf' } }],
  ['another endpoint', { path: '/extract_async' }],
])(
  'gives a retry with %s a new job',
  async (_, { body: other, ...sent }: Sent & { body?: object }) => {
    const body = newBody();
    const first = await jobOf(body);
    expect(await jobOf(other ?? body, { ...sent, retries: 1 })).not.toBe(first);
  },
);

it('keeps equal requests of two services apart', async () => {
  const body = newBody();
  const first = await jobOf(body);
  const key = await gateway.newKey('payments');
  expect(await jobOf(body, { key, retries: 1 })).not.toBe(first);
});

it('follows an idempotency key instead of the retry count', async () => {
  const body = newBody();
  const first = await jobOf(body);
  const keyed = await jobOf(body, { retries: 1, headers: { 'idempotency-key': 'own' } });
  expect(keyed).not.toBe(first);
  expect(await jobOf(body, { headers: { 'idempotency-key': 'own' } })).toBe(keyed);
});

it('joins no request that is older than 70 minutes', async () => {
  const body = newBody();
  const first = await jobOf(body);
  await gateway.pool.query(
    `UPDATE job_calls SET created_at = now() - interval '71 minutes' WHERE job_id = $1`,
    [first],
  );
  expect(await jobOf(body, { retries: 1 })).not.toBe(first);
});

it('lets a retry wait for its first request that is not committed', async () => {
  const body = newBody();
  const client = await gateway.pool.connect();
  await client.query('BEGIN');
  await client.query('LOCK TABLE jobs IN SHARE MODE');
  const first = jobOf(body);
  await waitingFor(1);
  const retry = jobOf(body, { retries: 1 });
  await waitingFor(2);
  await client.query('COMMIT');
  client.release();
  expect(await retry).toBe(await first);
});

it('joins nothing whose first request was rolled back', async () => {
  const body = newBody();
  await gateway.pool.query(
    `ALTER TABLE jobs ADD CONSTRAINT refusing CHECK (request IS NULL) NOT VALID`,
  );
  expect(await submit(body)).toMatchObject({ status: 500 });
  await gateway.pool.query(`ALTER TABLE jobs DROP CONSTRAINT refusing`);
  const second = await jobOf(body, { retries: 1 });
  expect(await jobOf(body, { retries: 2 })).toBe(second);
});

it('gives a retry of a large request the job of its first request', async () => {
  const body = { ...newBody(), padding: 'x'.repeat(200_000) };
  const first = await jobOf(body);
  expect(await jobOf(body, { retries: 1 })).toBe(first);
});

it('counts a joined request once for the limit of queued jobs', async () => {
  const key = await gateway.newKey('limited');
  await gateway.pool.query(
    `INSERT INTO services (service, max_queued) VALUES ('limited', 0)
     ON CONFLICT (service) DO UPDATE SET max_queued = 0`,
  );
  const body = newBody();
  const full = await submit(body, { key });
  expect(full).toMatchObject({ status: 429, body: { error: { name: 'QUEUE_FULL' } } });
  expect(full.headers.get('x-should-retry')).toBe('true');
  await gateway.pool.query(`UPDATE services SET max_queued = 1 WHERE service = 'limited'`);
  const second = await jobOf(body, { key, retries: 1 });
  expect(await jobOf(body, { key, retries: 2 })).toBe(second);
});

it('gives a first request that was under way before its retry the job of the retry', async () => {
  const body = newBody();
  const text = JSON.stringify(body);
  const first = await openConnection(
    gateway.url,
    head('POST /reducto/parse_async', {
      authorization: `Bearer ${gateway.key}`,
      'content-type': 'application/json',
      'content-length': text.length,
      expect: '100-continue',
    }),
  );
  // The gateway has read the headers: it asks for the body.
  await eventually('the request is under way', () => first.received().includes('100') || undefined);
  const retried = await jobOf(body, { retries: 1 });
  first.socket.write(text);
  const answer = await eventually(
    'the answer',
    () => /"job_id":"([^"]+)"/.exec(first.received())?.[1],
  );
  first.socket.destroy();
  expect(answer).toBe(retried);
  expect(await jobOf(body)).not.toBe(retried);
});

it('gives a call that begins after the answer to an equal retry a job of its own', async () => {
  const body = newBody();
  const retried = await jobOf(body, { retries: 1 });
  expect(await jobOf(body)).not.toBe(retried);
});

it('does not answer a new call with the failure of an equal retry that has been answered', async () => {
  const failing = { ...newBody(), sim: { outcome: 'failed' } };
  const [first, second] = [
    await submit(failing, { path: '/parse', retries: 1 }),
    await submit(failing, { path: '/parse' }),
  ];
  expect(first.body.error.job_id).toBeTruthy();
  expect(second.body.error.job_id).not.toBe(first.body.error.job_id);
});

it('gives a first request the job of its retry, however late it is read, if its client has gone', async () => {
  const body = newBody();
  const retried = await jobOf(body, { retries: 1 });
  await gateway.pool.query(
    `UPDATE job_calls SET seen_at = now() - interval '1 hour' WHERE job_id = $1`,
    [retried],
  );
  const client = await gateway.pool.connect();
  await client.query('BEGIN');
  await client.query('LOCK TABLE job_calls IN ACCESS EXCLUSIVE MODE');
  const late = await sendAndLeave(body, gateway.key);
  await waitingFor(1);
  await late.closed;
  await client.query('COMMIT');
  client.release();
  const known = await eventually('the late request has a job', async () => {
    const { rows } = await gateway.pool.query(
      `SELECT job_id FROM job_calls
        WHERE hash = (SELECT hash FROM job_calls WHERE job_id = $1) AND seen & 1 = 1`,
      [retried],
    );
    return rows.length > 0 ? rows : undefined;
  });
  expect(known).toEqual([{ job_id: retried }]);
});

// Some 5,000 requests: 25 s on two idle cores, 75 s on two that others share.
it('makes 1,000 jobs of 1,000 submits whose connections are cut at random and whose retries overtake', async () => {
  const cut = await gateway.newKey('cut');
  const bodies = Array.from({ length: 1000 }, newBody);
  const waiting = [...bodies];
  const overtaken = new Map<string, object>();
  const worker = async (): Promise<void> => {
    for (let body = waiting.pop(); body !== undefined; body = waiting.pop()) {
      const isOvertaken = Math.random() < 0.2;
      let id: string | undefined;
      for (let retries = isOvertaken ? 1 : 0; id === undefined; retries++) {
        id = await submitAndCut(body, retries, cut);
      }
      if (isOvertaken) overtaken.set(id, body);
    }
  };
  await Promise.all(Array.from({ length: 25 }, worker));
  // The gateway reads these first requests only now; their clients have given up.
  await gateway.pool.query(`UPDATE job_calls SET seen_at = now() - interval '1 minute'`);
  const late = await Promise.all([...overtaken.values()].map((body) => sendAndLeave(body, cut)));
  await Promise.all(late.map(({ closed }) => closed));
  await eventually('the gateway has read all first requests', async () => {
    const { rows } = await gateway.pool.query(
      `SELECT count(*)::integer AS unread FROM job_calls
        WHERE job_id = ANY ($1::uuid[]) AND seen & 1 = 0`,
      [[...overtaken.keys()]],
    );
    return rows[0].unread === 0 || undefined;
  });
  const all = await eventually('all jobs have ended', async () => {
    const { rows } = await gateway.pool.query(
      `SELECT count(*)::integer AS jobs, count(ended_at)::integer AS ended FROM jobs WHERE service = 'cut'`,
    );
    return rows[0].jobs === rows[0].ended ? rows[0].jobs : undefined;
  });
  expect(all).toBe(1000);
  // Jobs of earlier tests may be sent only now.
  const inputs = new Set<unknown>(bodies.map((body) => body['input']));
  const upstream = gateway.sandbox.jobs.all().filter(({ body }) => inputs.has(body['input']));
  expect(upstream).toHaveLength(1000);
}, 600_000);

it('gives the repeat of a synchronous call its result after kill -9', async () => {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const sandbox = await startSandbox({ platform: { queueMs: 20, runMs: 1500, completingMs: 10 } });
  cleanUps.push(() => sandbox.close());
  const settings = {
    DATABASE_URL: database.url,
    REDUCTO_API_KEY: sandbox.apiKey,
    REDUCTO_BASE_URL: sandbox.url,
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
    PORT: String(await freePort()),
    POLL_SCHEDULE_SECONDS: '0.5',
    RECONCILE_INTERVAL_SECONDS: '1',
  };
  const first = await start(settings);
  const created = await send(
    `${first.url}/v1/admin/keys`,
    'POST',
    { service: 'killed', scopes: ['jobs'] },
    { authorization: `Bearer ${ADMIN_KEY}` },
  );
  const call = (url: string, retries: number): Promise<Answer> =>
    send(
      `${url}/reducto/parse`,
      'POST',
      { input: 'https://example.com/a.pdf' },
      {
        authorization: `Bearer ${created.body.key}`,
        'x-stainless-retry-count': String(retries),
      },
    );
  const lost = call(first.url, 0).catch((error: unknown) => error);
  await eventually('Reducto has the job', () => sandbox.jobs.all().length === 1 || undefined);
  await end(first.child, 'SIGKILL');
  expect(await lost).toBeInstanceOf(Error);
  const second = await start(settings);
  expect(await call(second.url, 1)).toMatchObject({
    status: 200,
    body: { response_type: 'parse' },
  });
  expect(sandbox.jobs.all()).toHaveLength(1);
});

/** Sends a first request like a client that gives up before its bytes are read. */
async function sendAndLeave(body: object, key: string): Promise<RawConnection> {
  const text = JSON.stringify(body);
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    'content-length': text.length,
    'x-reducto-retry-count': '0',
  };
  const sent = await openConnection(
    gateway.url,
    `${head('POST /reducto/parse_async', headers)}${text}`,
  );
  sent.socket.end();
  return sent;
}

/** Sends a request and cuts the connection after a random time. Returns the id of the job if the answer arrived. */
async function submitAndCut(
  body: unknown,
  retries: number,
  key: string,
): Promise<string | undefined> {
  // The last attempt is not cut, as the test must end.
  const signal = retries < 4 ? AbortSignal.timeout(Math.floor(Math.random() * 40)) : null;
  try {
    const answer = await request(`${gateway.url}/reducto/parse_async`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${key}`,
        'x-reducto-retry-count': String(retries),
      },
      body: JSON.stringify(body),
      signal,
    });
    const { job_id } = (await answer.body.json()) as { job_id?: string };
    return job_id;
  } catch {
    return undefined;
  }
}

/** Waits until `count` statements wait for locks. */
async function waitingFor(count: number): Promise<void> {
  await eventually(`${count} statements wait for locks`, async () => {
    const { rows } = await gateway.pool.query(
      `SELECT count(*)::integer AS waiting FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows[0].waiting >= count ? true : undefined;
  });
}
