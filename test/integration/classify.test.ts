import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endCoolDowns } from '../support/rate-limits.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import {
  startRawUpstream,
  type RawAnswer,
  type RawRequest,
  type RawUpstream,
} from '../support/raw-upstream.js';

/* Classify jobs at a Reducto without `/classify_async`, as before version 1.12.16. */

const NOT_FOUND: RawAnswer = { status: 404, body: '{"detail":"Not Found"}' };
const REQUEST = {
  type: 'classify',
  input: 'https://example.com/a.pdf',
  classification_schema: [{ category: 'invoice', criteria: ['It has a total.'] }],
};

interface UpstreamJob {
  readonly id: string;
  readonly type: string;
  readonly createdAt: string;
  readonly rawConfig: string;
}

let upstream: RawUpstream;
let gateway: TestGateway;
/** What the listing shows, newest first. */
let listed: UpstreamJob[];
/** Answers to `POST /classify`, in their order; the last one repeats. */
let answers: ((request: RawRequest) => RawAnswer | Promise<RawAnswer>)[];

beforeEach(async () => {
  listed = [];
  answers = [() => ({ body: answerOf('job_sync') })];
  upstream = await startRawUpstream({
    submit: ({ path }) =>
      path === '/classify_async'
        ? NOT_FOUND
        : { body: `{"job_id":"job_${upstream.requests.length}"}` },
    list: () => ({ body: listing() }),
    other: (request) => {
      if (request.path !== '/classify') return NOT_FOUND;
      const [first] = answers.length > 1 ? answers.splice(0, 1) : answers;
      return first?.(request) ?? NOT_FOUND;
    },
  });
  gateway = await startGateway({
    REDUCTO_BASE_URL: upstream.url,
    CLASSIFY_CONCURRENCY: '2',
    UNCERTAIN_LISTING_LAG_SECONDS: '1',
    UNCERTAIN_SCHEDULE_SECONDS: '0.5',
    RESULT_URL_HOSTS: '127.0.0.1',
  });
});
afterEach(async () => {
  await gateway.close();
  await upstream.close();
});

function answerOf(id: string, result = '{"category":"invoice"}'): string {
  return `{"response_type":"classify", "result":${result},"job_id":"${id}","usage":{"num_pages":2,"num_categories":1},"duration":1.10}`;
}

function listing(): string {
  const jobs = listed.map(({ id, type, createdAt, rawConfig }) => ({
    job_id: id,
    status: 'InProgress',
    type,
    created_at: createdAt,
    raw_config: rawConfig,
  }));
  return JSON.stringify({ jobs, next_cursor: null });
}

const calls = (): RawRequest[] => upstream.requests.filter(({ path }) => path === '/classify');
const submits = (): RawRequest[] =>
  upstream.requests.filter(({ path }) => path === '/classify_async');
const classify = (request: Record<string, unknown> = {}): Promise<string> =>
  gateway.submit({ ...REQUEST, ...request });

/** Calls that stay open until `release` is called. */
function openCalls(): { release: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let made = 0;
  answers = [
    async () => {
      made += 1;
      const id = `job_open_${made}`;
      await promise;
      return { body: answerOf(id) };
    },
  ];
  return { release: resolve };
}

const stateOf = async (id: string): Promise<string> =>
  String((await gateway.call('GET', `/v1/jobs/${id}`)).body.status);

describe('a synchronous classify call', () => {
  it('completes the job with the answer, whose id becomes the gateway’s', async () => {
    const id = await classify();
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed', settledBy: 'submission' });
    const response = await fetch(`${gateway.url}/v1/jobs/${id}/result`, {
      headers: { authorization: `Bearer ${gateway.key}` },
    });
    expect(await response.text()).toBe(answerOf('job_sync').replace('job_sync', id));
  });

  it('sends the request of the service alone, without `async`', async () => {
    await gateway.ended(await classify({ metadata: { a: 1 }, priority: false }));
    const { type: _, ...request } = REQUEST;
    expect(calls().map(({ body }) => body.toString())).toEqual([
      JSON.stringify({ ...request, priority: false }),
    ]);
  });

  it('is not polled', async () => {
    await gateway.ended(await classify());
    expect(upstream.requests.filter(({ path }) => path.startsWith('/job/'))).toEqual([]);
  });

  it('downloads the result behind a URL', async () => {
    const url = `${upstream.url}/result`;
    upstream.answers.other = ({ path }) =>
      path === '/result'
        ? { body: '{"category":"other"}' }
        : {
            body: answerOf('job_url', `{"type":"url","url":"${url}","result_id":"r"}`),
          };
    const id = await classify();
    await gateway.ended(id);
    const { body } = await gateway.call('GET', `/v1/jobs/${id}/result`);
    expect(body.result).toEqual({ category: 'other' });
  });

  it('leaves a job whose result cannot be fetched to polls', async () => {
    const missing = `{"type":"url","url":"${upstream.url}/gone","result_id":"r"}`;
    answers = [() => ({ body: answerOf('job_later', missing) })];
    upstream.answers.poll = {
      body: `{"status":"Completed","result":${answerOf('job_later')}}`,
    };
    const id = await classify();
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
    expect(upstream.requests.some(({ path }) => path === '/job/job_later')).toBe(true);
    expect(calls()).toHaveLength(1);
  });

  it('is made after one submit that found no endpoint', async () => {
    for (let n = 0; n < 3; n++) {
      answers = [() => ({ body: answerOf(`job_${n}`) })];
      await gateway.ended(await classify());
    }
    expect(submits()).toHaveLength(1);
    expect(calls()).toHaveLength(3);
  });

  it.each<[string, RawAnswer]>([
    ['405 with JSON', { status: 405, body: '{"detail":"Method Not Allowed"}' }],
    ['405 without a body', { status: 405 }],
    ['404 with a page', { status: 404, headers: {}, body: '<html>not found</html>' }],
  ])('is made where Reducto answers the submit with %s', async (_, answer) => {
    upstream.answers.submit = answer;
    expect(await gateway.ended(await classify())).toMatchObject({ status: 'completed' });
    expect(submits()).toHaveLength(1);
  });

  it('is not made where Reducto does not find the document', async () => {
    const error = { code: 404, name: 'NOT_FOUND', message: 'No such file' };
    upstream.answers.submit = { status: 404, body: JSON.stringify({ error }) };
    const job = await gateway.ended(await classify());
    expect(job.error).toMatchObject({ code: 'rejected_upstream', upstreamName: 'NOT_FOUND' });
    expect(calls()).toEqual([]);
  });

  it('submits a job that Reducto queues instead of running it', async () => {
    answers = [() => ({ body: '{"job_id":"job_queued"}' })];
    upstream.answers.poll = { body: `{"status":"Completed","result":${answerOf('job_queued')}}` };
    expect(await gateway.ended(await classify())).toMatchObject({ status: 'completed' });
    expect(upstream.requests.some(({ path }) => path === '/job/job_queued')).toBe(true);
  });

  it('has a timeline like a submit', async () => {
    const id = await classify();
    await gateway.ended(id);
    const events = await gateway.events(id);
    expect(events.slice(0, 3)).toEqual(['accepted', 'submit_started', 'submit_deferred']);
    // A lease of submits that was under way when Reducto answered may take the job once more before.
    expect(events.slice(-3)).toEqual(['submit_started', 'submitted', 'completed']);
  });
});

describe('while synchronous calls run', () => {
  it('other jobs are submitted, and no more calls run than their slots', async () => {
    const { release } = openCalls();
    const ids: string[] = [];
    for (let n = 0; n < 6; n++) ids.push(await classify());
    await eventually('both slots', () => (calls().length === 2 ? true : undefined));
    upstream.answers.poll = { body: '{"status":"Completed","result":{"a":1}}' };
    const others = await Promise.all(Array.from({ length: 20 }, () => gateway.submit()));
    for (const id of others) expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
    expect(calls()).toHaveLength(2);
    release();
    for (const id of ids) expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
    expect(calls()).toHaveLength(6);
  });

  it('their leases are renewed', async () => {
    const { release } = openCalls();
    const id = await classify();
    await eventually('the call', () => (calls().length === 1 ? true : undefined));
    const due = async (): Promise<number> => {
      const { rows } = await gateway.pool.query<{ due: Date }>(
        'SELECT next_check_at AS due FROM jobs WHERE id = $1',
        [id],
      );
      return rows[0]?.due.getTime() ?? 0;
    };
    // Shorter than until the next renewal.
    await gateway.pool.query(
      `UPDATE jobs SET next_check_at = now() + interval '12 s' WHERE id = $1`,
      [id],
    );
    const before = await due();
    await expect.poll(due).toBeGreaterThan(before + 5000);
    release();
    await gateway.ended(id);
  });

  it('services share the slots', async () => {
    const { release } = openCalls();
    const flood = await Promise.all(Array.from({ length: 8 }, () => classify()));
    await eventually('both slots', () => (calls().length === 2 ? true : undefined));
    const key = await gateway.newKey('contracts');
    const { body } = await gateway.call('POST', '/v1/jobs', REQUEST, {
      authorization: `Bearer ${key}`,
    });
    let made = 0;
    answers = [() => ({ body: answerOf(`job_next_${(made += 1)}`) })];
    release();
    await gateway.call('GET', `/v1/jobs/${body.id}?wait=60`, undefined, {
      authorization: `Bearer ${key}`,
    });
    await Promise.all(flood.map((id) => gateway.ended(id)));
    const { rows } = await gateway.pool.query<{ id: string }>(
      'SELECT id FROM jobs ORDER BY submit_started_at, id',
    );
    // The first two ran before it came; two more may have been leased together.
    expect(rows.findIndex(({ id }) => id === body.id)).toBeLessThan(5);
  });

  it('a cancelled job still completes, because a call cannot be cancelled', async () => {
    const { release } = openCalls();
    const id = await classify();
    await eventually('the call', () => (calls().length === 1 ? true : undefined));
    expect((await gateway.call('POST', `/v1/jobs/${id}/cancel`)).status).toBe(202);
    release();
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
  });

  it('a cancelled job that waits for a slot ends at once', async () => {
    const { release } = openCalls();
    await Promise.all([classify(), classify()]);
    await eventually('both slots', () => (calls().length === 2 ? true : undefined));
    const id = await classify();
    await gateway.call('POST', `/v1/jobs/${id}/cancel`);
    expect(await gateway.ended(id)).toMatchObject({ status: 'cancelled' });
    release();
  });
});

describe('a synchronous call that Reducto refuses', () => {
  it.each([400, 403, 404, 415, 422, 442])('fails the job (%i)', async (status) => {
    answers = [() => ({ status, body: '{"detail":"Refused"}' })];
    const job = await gateway.ended(await classify());
    expect(job).toMatchObject({
      status: 'failed',
      error: { code: 'rejected_upstream', message: 'Refused' },
    });
    expect(calls()).toHaveLength(1);
  });

  it.each([
    [500, 'INTERNAL_ERROR', true],
    [502, 'LLM_PROVIDER_ERROR', true],
    [500, 'PROCESSING_FAILED', false],
  ])('fails the job with the error of Reducto (%i %s)', async (code, name, retryable) => {
    const message = 'It failed';
    const error = { code, name, message };
    answers = [() => ({ status: code, body: JSON.stringify({ error, detail: message }) })];
    const job = await gateway.ended(await classify());
    const upstream = { upstreamName: name, upstreamStatus: code };
    expect(job.error).toEqual({ code: 'failed_upstream', message, ...upstream, retryable });
    expect(calls()).toHaveLength(1);
  });

  it.each([
    [429, { 'retry-after': '1' }],
    [503, { 'retry-after': '1' }],
    [503, {}],
  ])('is made again later (%i %j)', async (status, headers) => {
    answers = [
      () => ({ status, headers: { 'content-type': 'application/json', ...headers }, body: '{}' }),
      () => ({ body: answerOf('job_again') }),
    ];
    const id = await classify();
    await eventually('the first call', () => (calls().length === 1 ? true : undefined));
    await eventually('the deferral', async () =>
      (await stateOf(id)) === 'queued' ? true : undefined,
    );
    await endCoolDowns(gateway);
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
    expect(calls()).toHaveLength(2);
  });
});

describe('a synchronous call without a usable answer', () => {
  const lost: [string, RawAnswer][] = [
    ['that breaks off', { breakOff: true }],
    ['with 500 of a proxy', { status: 500, headers: {}, body: '<html>' }],
    ['with 502 of a proxy', { status: 502, headers: {}, body: 'bad gateway' }],
    ['with 504 of a proxy', { status: 504, headers: {}, body: '<html>' }],
    ['with 408', { status: 408, body: '{}' }],
    ['that is cut', { body: answerOf('job_cut').slice(0, -5) }],
    ['without an id', { body: '{"result":{"category":"a"}}' }],
  ];

  it.each(lost)(
    '%s is made again once the listing proves that it made nothing',
    async (_, answer) => {
      answers = [() => answer, () => ({ body: answerOf('job_again') })];
      const id = await classify();
      await eventually('the first call', () => (calls().length === 1 ? true : undefined));
      expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
      expect(await gateway.events(id)).toContain('submit_uncertain');
      expect(calls()).toHaveLength(2);
    },
  );

  it.each(['Classify', 'Unheard'])(
    'is not made again while the listing shows an unmarked job of type %s',
    async (type) => {
      answers = [
        ({ body }) => {
          const rawConfig = body.toString();
          listed = [{ id: 'job_run', type, createdAt: new Date().toISOString(), rawConfig }];
          return { breakOff: true };
        },
      ];
      const id = await classify();
      expect(await gateway.ended(id)).toMatchObject({
        status: 'failed',
        error: { code: 'submit_outcome_unknown', retryable: true },
      });
      expect(calls()).toHaveLength(1);
    },
  );

  it('is made again beside an unmarked job of another type and marked ones', async () => {
    upstream.answers.poll = { body: '{"status":"Pending"}' };
    const marked = await gateway.submit();
    const submitted = await eventually('the submit', () =>
      upstream.requests.find(({ body }) => body.includes(marked)),
    );
    const { rows } = await eventually('its id', async () => {
      const found = await gateway.pool.query<{ upstream_id: string }>(
        `SELECT upstream_id FROM jobs WHERE id = $1 AND status = 'submitted'`,
        [marked],
      );
      return found.rowCount === 1 ? found : undefined;
    });
    const createdAt = new Date().toISOString();
    const rawConfig = submitted.body.toString();
    listed = [
      { id: 'other', type: 'Parse', createdAt, rawConfig: '{"input":"x"}' },
      { id: rows[0]?.upstream_id ?? '', type: 'Parse', createdAt, rawConfig },
    ];
    answers = [() => ({ breakOff: true }), () => ({ body: answerOf('job_again') })];
    expect(await gateway.ended(await classify())).toMatchObject({ status: 'completed' });
    expect(calls()).toHaveLength(2);
  });

  it('completes the job with an answer that comes after its worker was taken for dead', async () => {
    const { release } = openCalls();
    const id = await classify();
    await eventually('the call', () => (calls().length === 1 ? true : undefined));
    await gateway.pool.query(
      `UPDATE jobs SET status = 'uncertain', lease = NULL, worker = NULL, uncertain_since = now(),
              next_check_at = now() + interval '1 hour' WHERE id = $1`,
      [id],
    );
    upstream.answers.poll = { body: `{"status":"Completed","result":${answerOf('job_open_1')}}` };
    release();
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
    expect(calls()).toHaveLength(1);
  });
});

describe('a shutdown during a synchronous call', () => {
  it('ends in time, and records that the outcome is unknown', async () => {
    const { release } = openCalls();
    const other = await startGateway({
      REDUCTO_BASE_URL: upstream.url,
      SHUTDOWN_TIMEOUT_SECONDS: '3',
    });
    const { body } = await other.call('POST', '/v1/jobs', REQUEST);
    await eventually('the call', () => (calls().length === 1 ? true : undefined));
    await other.app.close();
    const { rows } = await other.pool.query<{ status: string; lease: string | null }>(
      'SELECT status, lease FROM jobs WHERE id = $1',
      [body.id],
    );
    expect(rows).toEqual([{ status: 'uncertain', lease: null }]);
    release();
    await other.close();
  });

  it('waits for a call that ends in time', async () => {
    const { release } = openCalls();
    const other = await startGateway({
      REDUCTO_BASE_URL: upstream.url,
      SHUTDOWN_TIMEOUT_SECONDS: '10',
    });
    const { body } = await other.call('POST', '/v1/jobs', REQUEST);
    await eventually('the call', () => (calls().length === 1 ? true : undefined));
    const closed = other.app.close();
    release();
    await closed;
    const { rows } = await other.pool.query('SELECT status FROM jobs WHERE id = $1', [body.id]);
    expect(rows).toEqual([{ status: 'completed' }]);
    await other.close();
  });
});
