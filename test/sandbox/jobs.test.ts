import Reducto from 'reductoai';
import { describe, expect, test } from 'vitest';
import {
  anyDocument,
  authorized,
  bench,
  call,
  clientOf,
  post,
  submit,
  submitAndEnd,
} from './support.js';

test('creates one job per retry of a submit, without idempotency', async () => {
  const { sandbox } = await bench();
  const client = clientOf(sandbox, 2);
  sandbox.rules.add({ times: 2, sim: { submit: { fault: 'createdBut502' } } });
  const id = await submit(client, anyDocument);
  expect(sandbox.jobs.all()).toHaveLength(3);
  expect(sandbox.jobs.all()[2]?.id).toBe(id);
  expect(sandbox.jobs.submitsOf(sandbox.jobs.all()[0]?.bodyHash ?? '')).toBe(3);
});

describe('API keys', () => {
  test.each([
    ['no key', {}],
    ['an empty key', { authorization: 'Bearer ' }],
    ['a wrong key', { authorization: 'Bearer wrong' }],
  ])('refuses a request with %s with a JSON 401', async (_case, headers) => {
    const { sandbox } = await bench();
    expect(await call(`${sandbox.url}/jobs`, { headers })).toMatchObject({
      status: 401,
      json: { error: { name: 'AUTH_ERROR', code: 401 }, detail: expect.any(String) },
    });
  });

  test('refuses a request without a key with an HTML 403 if htmlForbidden is set', async () => {
    const { sandbox } = await bench({ platform: { htmlForbidden: true } });
    const { status, headers } = await call(`${sandbox.url}/jobs`);
    expect([status, headers.get('content-type')]).toEqual([403, 'text/html']);
  });

  test('returns the version without a key', async () => {
    const { sandbox } = await bench();
    expect((await call(`${sandbox.url}/version`)).json).toContain('v1.12');
  });

  test('accepts a request without a key if auth is off', async () => {
    const { sandbox } = await bench({ platform: { auth: 'off' } });
    expect((await call(`${sandbox.url}/jobs`)).status).toBe(200);
  });
});

describe('validation of a submit', () => {
  test.each([
    ['parse', {}, ['input']],
    ['extract', {}, ['input']],
    ['split', { input: 'https://x.test/a' }, ['split_description']],
    ['edit', {}, ['document_url', 'edit_instructions']],
    ['pipeline', {}, ['input', 'pipeline_id']],
    ['classify', {}, ['input']],
  ])('names each missing field of a %s request', async (type, body, names) => {
    const { sandbox, client } = await bench();
    const error: unknown = await submit(client, body, type).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      error: { detail: names.map((name) => ({ loc: ['body', name], type: 'missing' })) },
    });
    expect(sandbox.jobs.all()).toHaveLength(0);
  });

  test('ignores unknown members, including a callback under a wrong name', async () => {
    const { sandbox, client } = await bench();
    const webhook = { mode: 'direct', url: 'http://127.0.0.1:1/' };
    const id = await submit(client, { ...anyDocument, async_config: { webhook }, other: 1 });
    expect(sandbox.jobs.find(id)?.webhook).toBeUndefined();
  });

  test('names each missing member of the items of a list', async () => {
    const { client } = await bench();
    const split_description = [{ name: 'a' }, 'b'];
    const error: unknown = await submit(
      client,
      { ...anyDocument, split_description },
      'split',
    ).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      status: 422,
      error: {
        detail: [
          { loc: ['body', 'split_description', 0, 'description'], type: 'missing' },
          { loc: ['body', 'split_description', 1, 'name'], type: 'missing' },
          { loc: ['body', 'split_description', 1, 'description'], type: 'missing' },
        ],
      },
    });
  });

  test.each([
    ['an unknown queue_priority', 'parse', { queue_priority: 'now' }],
    ['a list member that is no list', 'split', { split_description: 'a' }],
    ['a pipeline id that is no string', 'pipeline', { pipeline_id: 1 }],
    ['other settings of a pipeline', 'pipeline', { pipeline_id: 'p', settings: { timeout: 1 } }],
  ])('refuses %s with 422', async (_case, type, body) => {
    const { client } = await bench();
    await expect(submit(client, { ...anyDocument, ...body }, type)).rejects.toMatchObject({
      status: 422,
    });
  });

  test('refuses an invalid URL', async () => {
    const { sandbox, client } = await bench();
    await expect(submit(client, { input: 'gopher://x' })).rejects.toMatchObject({
      status: 400,
      error: { error: { name: 'INVALID_CONFIG', code: 400 }, detail: expect.any(String) },
    });
    expect(sandbox.jobs.all()).toHaveLength(0);
  });

  test('accepts an unknown upload, and fails the job', async () => {
    const test = await bench();
    const id = await submitAndEnd(test, { input: 'reducto://nothing.pdf' });
    expect(await test.client.job.get(id)).toMatchObject({
      status: 'Failed',
      error: { name: 'INVALID_CONFIG', code: 400 },
    });
  });

  test('refuses a direct webhook without a URL', async () => {
    const { client } = await bench();
    const body = { ...anyDocument, async: { webhook: { mode: 'direct' } } };
    await expect(submit(client, body)).rejects.toMatchObject({ status: 422 });
  });
});

describe('the lifecycle of a job', () => {
  test('passes all states on the virtual clock, and GET /job shows the internal ones as Pending', async () => {
    const timing = { queueMs: 1_000, runMs: 2_000, completingMs: 500 };
    const { sandbox, client } = await bench({ speed: 0, platform: timing });
    const id = await submit(client, anyDocument);
    const seen: [unknown, unknown][] = [];
    for (const step of [0, 1_000, 2_000, 500]) {
      await sandbox.clock.advance(step);
      const { jobs } = await client.job.getAll();
      seen.push([(await client.job.get(id)).status, jobs[0]?.status]);
    }
    expect(seen).toEqual([
      ['Pending', 'Pending'],
      ['Pending', 'InProgress'],
      ['Pending', 'Completing'],
      ['Completed', 'Completed'],
    ]);
  });

  test('returns a failed job with 200, the reason, and the error', async () => {
    const test = await bench();
    const error = { name: 'LLM_PROVIDER_ERROR', code: 502, message: 'Provider down' };
    const sim = { outcome: 'failed', reason: 'Something broke', error };
    const id = await submitAndEnd(test, { ...anyDocument, sim });
    expect(await test.client.job.get(id)).toMatchObject({
      status: 'Failed',
      reason: 'Something broke',
      error: { ...error, job_id: id },
      result: null,
    });
  });

  test('applies a cancel after a delay, and shows it as Cancelled in GET /jobs and as Failed in GET /job', async () => {
    const { sandbox, client } = await bench({
      speed: 0,
      platform: { queueMs: 60_000, cancelDelayMs: 100 },
    });
    const id = await submit(client, anyDocument);
    expect(await client.job.cancel(id)).toEqual({});
    expect((await client.job.get(id)).status).toBe('Pending');
    await sandbox.clock.advance(100);
    expect(await client.job.get(id)).toMatchObject({
      status: 'Failed',
      error: { name: 'JOB_CANCELLED' },
    });
    expect((await client.job.getAll()).jobs[0]?.status).toBe('Cancelled');
  });

  test('returns 409 and then 410 for a deleted job, and no longer lists it', async () => {
    const { sandbox, client } = await bench({ speed: 0 });
    const id = await submit(client, anyDocument);
    const address = `${sandbox.url}/job/${id}`;
    await sandbox.clock.advance(0);
    const deletion = { ...authorized(sandbox), method: 'DELETE' };
    expect(await call(address, deletion)).toMatchObject({ status: 202, json: { job_id: id } });
    await expect(client.job.get(id)).rejects.toMatchObject({
      status: 409,
      error: { error: { name: 'JOB_DELETION_IN_PROGRESS' } },
    });
    await sandbox.clock.advance(2_000);
    await expect(client.job.get(id)).rejects.toMatchObject({ status: 410 });
    expect((await client.job.getAll()).jobs).toEqual([]);
  });

  test('refuses to delete an open job', async () => {
    const { sandbox, client } = await bench();
    const id = await submit(client, { ...anyDocument, sim: { stuck: 'Pending' } });
    const deletion = { ...authorized(sandbox), method: 'DELETE' };
    expect(await call(`${sandbox.url}/job/${id}`, deletion)).toMatchObject({
      status: 409,
      json: { error: { name: 'JOB_NOT_COMPLETE' } },
    });
  });

  test('returns 404 for an expired job, unless its result is persisted', async () => {
    const { sandbox, client } = await bench({ speed: 0, platform: { retentionMinutes: 60 } });
    const id = await submit(client, anyDocument);
    const kept = await submit(client, { ...anyDocument, settings: { persist_results: true } });
    await sandbox.clock.advance(3_600_000);
    await expect(client.job.get(id)).rejects.toMatchObject({ status: 404 });
    expect((await client.job.get(kept)).status).toBe('Completed');
    sandbox.platform.set({ expiredStatus: '410' });
    await expect(client.job.get(id)).rejects.toMatchObject({ status: 410 });
  });

  test('answers a long poll when the job ends or the timeout passes', async () => {
    const { sandbox, client } = await bench({ speed: 0, platform: { queueMs: 5_000 } });
    const id = await submit(client, anyDocument);
    const held = client.get<unknown, { status: string }>(`/job/${id}`, { query: { timeout: 30 } });
    const short = client.get<unknown, { status: string }>(`/job/${id}`, { query: { timeout: 1 } });
    await waitUntilHeld(sandbox.jobs.events, 2);
    await sandbox.clock.advance(1_000);
    expect((await short).status).toBe('Pending');
    await sandbox.clock.advance(4_000);
    expect((await held).status).toBe('Completed');
  });
});

describe('GET /jobs', () => {
  test('returns stable pages while jobs are created', async () => {
    const { client } = await bench();
    const before: string[] = [];
    for (let n = 0; n < 7; n++) before.push(await submit(client, anyDocument));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Reducto.JobGetAllResponse = await client.job.getAll({ limit: 3, cursor });
      seen.push(...page.jobs.map((job) => job.job_id));
      cursor = page.next_cursor ?? null;
      await submit(client, anyDocument);
    } while (cursor !== null);
    expect(seen).toEqual(before.toReversed());
  });

  test('omits the configs on request', async () => {
    const { client } = await bench();
    await submit(client, { ...anyDocument, async: { metadata: { mine: 1 } } });
    const full = await client.job.getAll();
    const lean = await client.job.getAll({ exclude_configs: true });
    expect(full.jobs[0]?.raw_config).toContain('"mine":1');
    expect(lean.jobs[0]).not.toHaveProperty('raw_config');
  });

  test.each(['limit=0', 'limit=501', 'limit=x', 'cursor=nonsense'])(
    'refuses the query %s',
    async (query) => {
      const { sandbox } = await bench();
      const { status } = await call(`${sandbox.url}/jobs?${query}`, authorized(sandbox));
      expect(status).toBe(422);
    },
  );
});

test('refuses a body that is not JSON with 400', async () => {
  const { sandbox } = await bench({ platform: { auth: 'off' } });
  const headers = { 'content-type': 'application/json' };
  const broken = { method: 'POST', headers, body: '{' };
  expect((await call(`${sandbox.url}/parse_async`, broken)).status).toBe(400);
  expect((await post(`${sandbox.url}/parse_async`, [])).status).toBe(422);
});

/** A pending long poll is a listener for changes. */
async function waitUntilHeld(
  events: { listenerCount(name: 'changed'): number },
  expected: number,
): Promise<void> {
  while (events.listenerCount('changed') < expected) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
