import Reducto, { toFile } from 'reductoai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  eventually,
  send,
  startGateway,
  type Answer,
  type TestGateway,
} from '../support/gateway.js';
import { outcomeOf, sdksOf, withoutChance } from '../support/reducto-sdk.js';

const INPUT = 'https://example.com/a.pdf';
const SCHEMA = { type: 'object', properties: { total: { type: 'number' } } };
const SPLIT = [{ name: 'report', description: 'The report of the adjuster.' }];
const EDIT = { document_url: INPUT, edit_instructions: 'Fill in the name.' };
const CLASSIFY = {
  input: INPUT,
  classification_schema: [{ category: 'invoice', criteria: ['It states a total.'] }],
};
const NO_JOB = '01a20824-4a5b-7c31-9f0e-6d2b8c1e7a90';

let gateway: TestGateway;
let sdk: Reducto;
let straight: Reducto;

beforeAll(async () => {
  gateway = await startGateway({}, { platform: { enhanced: true } });
  ({ gateway: sdk, straight } = sdksOf(gateway));
});
afterAll(() => gateway.close());

function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return send(`${gateway.url}/reducto${path}`, method, body, {
    authorization: `Bearer ${gateway.key}`,
    ...(typeof body === 'string' ? { 'content-type': 'application/json' } : {}),
    ...headers,
  });
}

/** Waits as the loops of clients do. */
function finished(client: Reducto, id: string): Promise<Reducto.JobGetResponse> {
  return eventually('the job has finished', async () => {
    const job = await client.job.get(id);
    return ['Completed', 'Failed'].includes(job.status) ? job : undefined;
  });
}

/** The request of a job as Reducto got it. */
async function requestAtReducto(id: string): Promise<Record<string, unknown>> {
  return eventually('Reducto has the job', async () => {
    const { rows } = await gateway.pool.query('SELECT upstream_id FROM jobs WHERE id = $1', [id]);
    return gateway.sandbox.jobs.find(rows[0].upstream_id ?? '')?.body;
  });
}

const type = (job: object): unknown => Reflect.get(job, 'type');

async function submitted(path: string, body: unknown): Promise<string> {
  const answer = await call('POST', path, body);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body.job_id;
}

type Client = (client: Reducto) => PromiseLike<unknown>;

const SYNCHRONOUS: readonly [string, Client][] = [
  ['parse.run', ({ parse }) => parse.run({ input: INPUT })],
  ['parse.run with a list', ({ parse }) => parse.run({ input: [INPUT, INPUT] })],
  ['extract.run', ({ extract }) => extract.run({ input: INPUT, instructions: { schema: SCHEMA } })],
  ['split.run', ({ split }) => split.run({ input: INPUT, split_description: SPLIT })],
  ['edit.run', ({ edit }) => edit.run(EDIT)],
  ['classify.run', ({ classify }) => classify.run(CLASSIFY)],
  ['pipeline.run', ({ pipeline }) => pipeline.run({ input: INPUT, pipeline_id: 'p' })],
];

const SUBMITS: readonly [string, (client: Reducto) => PromiseLike<{ job_id: string }>][] = [
  ['parse', ({ parse }) => parse.runJob({ input: INPUT })],
  ['extract', ({ extract }) => extract.runJob({ input: INPUT, instructions: { schema: SCHEMA } })],
  ['split', ({ split }) => split.runJob({ input: INPUT, split_description: SPLIT })],
  ['edit', ({ edit }) => edit.runJob(EDIT)],
  ['pipeline', ({ pipeline }) => pipeline.runJob({ input: INPUT, pipeline_id: 'p' })],
];

const REFUSED: readonly [string, Client][] = [
  ['job.get of an unknown job', ({ job }) => job.get(NO_JOB)],
  ['job.cancel of an unknown job', ({ job }) => job.cancel(NO_JOB)],
  ['job.getAll with limit 0', ({ job }) => job.getAll({ limit: 0 })],
  ['job.getAll with limit 501', ({ job }) => job.getAll({ limit: 501 })],
];

describe('the Node SDK', () => {
  it.each(SYNCHRONOUS)('%s answers as without the gateway', async (_, run) => {
    const [through, direct] = await Promise.all([outcomeOf(run(sdk)), outcomeOf(run(straight))]);
    expect(through).toEqual(direct);
  });

  it.each(SUBMITS)('%s.runJob ends with the result of Reducto', async (_, submit) => {
    const [own, upstream] = await Promise.all([submit(sdk), submit(straight)]);
    expect(Object.keys(own)).toEqual(Object.keys(upstream));
    const [through, direct] = await Promise.all([
      finished(sdk, own.job_id),
      finished(straight, upstream.job_id),
    ]);
    expect([through.status, type(through)]).toEqual([direct.status, type(direct)]);
    expect(withoutChance(through.result)).toEqual(withoutChance(direct.result));
    expect(Object.keys(through).toSorted()).toEqual(Object.keys(direct).toSorted());
    expect(through.result).toMatchObject({ job_id: own.job_id });
  });

  it.each(REFUSED)('%s fails with the same class of error', async (_, run) => {
    const [through, direct] = await Promise.all([outcomeOf(run(sdk)), outcomeOf(run(straight))]);
    const kind = ({
      class: name,
      status,
      body,
    }: {
      class: string;
      status: number;
      body: object;
    }) => ({
      name,
      status,
      members: Object.keys(body).toSorted(),
    });
    expect(kind(through as never)).toEqual(kind(direct as never));
  });

  it('job.cancel ends the loop of a client that waits for Completed or Failed', async () => {
    const job_id = await submitted('/parse_async', { input: INPUT, sim: { runMs: 60_000 } });
    expect(await sdk.job.cancel(job_id)).toEqual({});
    expect(await finished(sdk, job_id)).toMatchObject({
      status: 'Failed',
      result: null,
      error: { name: 'JOB_CANCELLED', job_id },
    });
  });

  it('job.cancel changes nothing about a job that has ended', async () => {
    const { job_id } = await sdk.parse.runJob({ input: INPUT });
    const before = await finished(sdk, job_id);
    expect(await sdk.job.cancel(job_id)).toEqual({});
    expect(await sdk.job.get(job_id)).toEqual(before);
  });

  it('job.getAll lists own jobs, newest first, page by page', async () => {
    const service = await gateway.newKey('pages');
    const own = sdksOf({ ...gateway, key: service }).gateway;
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.unshift((await own.parse.runJob({ input: INPUT })).job_id);
    const first = await own.job.getAll({ limit: 2 });
    const second = await own.job.getAll({ limit: 2, cursor: first.next_cursor ?? '' });
    expect([...first.jobs, ...second.jobs].map(({ job_id }) => job_id)).toEqual(ids);
    expect(second.next_cursor).toBeNull();
  });

  it('job.getAll leaves out the configs on request', async () => {
    await sdk.parse.runJob({ input: INPUT });
    const { jobs } = await sdk.job.getAll({ exclude_configs: true });
    expect(jobs[0]).not.toHaveProperty('raw_config');
  });

  it('upload with a file answers an id that a parse and an edit can use', async () => {
    const file = await toFile(Buffer.from('%PDF-1.4 text'), 'a.pdf');
    const uploaded = await sdk.upload({ file });
    expect(uploaded.file_id).toMatch(/^reducto:\/\//);
    await expect(sdk.parse.runJob({ input: uploaded.file_id })).resolves.toHaveProperty('job_id');
    await expect(sdk.parse.runJob({ input: uploaded })).resolves.toHaveProperty('job_id');
    const edit = { ...EDIT, document_url: uploaded };
    await expect(sdk.edit.runJob(edit)).resolves.toHaveProperty('job_id');
  });

  it.each([
    ['nothing', undefined],
    ['a string', { file: 'text' }],
    ['an array of bytes', { file: [37, 80] }],
  ])('upload with %s is refused with a 422 that names the file', async (_, body) => {
    const refused = await outcomeOf(sdk.upload(body as never));
    expect(refused).toMatchObject({
      class: 'UnprocessableEntityError',
      body: { detail: [{ loc: ['body', 'file'] }] },
    });
  });

  it('apiVersion answers the version of Reducto', async () => {
    expect(await sdk.apiVersion()).toEqual(await straight.apiVersion());
  });

  it('webhook.run is refused, because the portal is for the whole organization', async () => {
    expect(await outcomeOf(sdk.webhook.run())).toMatchObject({ class: 'PermissionDeniedError' });
  });
});

describe('a request', () => {
  it('reaches Reducto as the client wrote it, except for what is about the job', async () => {
    const id = await submitted(
      '/parse_async',
      `{ "settings": {"timeout": 90.50, "constructor": 1}, "input": "${INPUT}", "queue_priority": "batch",
         "async": {"metadata": [1.0], "priority": true} }`,
    );
    const { async, ...rest } = await requestAtReducto(id);
    expect(JSON.stringify(rest)).toBe(
      `{"settings":{"timeout":90.5,"constructor":1},"input":"${INPUT}","queue_priority":"batch"}`,
    );
    expect(async).toMatchObject({ priority: true, metadata: { gateway_job_id: id } });
  });

  it.each([
    ['an object', '{"b":1.0,"a":{}}'],
    ['a list', '[1,2.50]'],
    ['a string', '"order 7"'],
    ['a number', '12345678901234567890'],
    ['false', 'false'],
  ])('keeps metadata that is %s as it was written', async (_, metadata) => {
    const text = `{"input":"${INPUT}","async":{"metadata":${metadata}}}`;
    const id = await submitted('/parse_async', text);
    const { rows } = await gateway.pool.query('SELECT metadata FROM jobs WHERE id = $1', [id]);
    expect(rows[0].metadata).toBe(metadata);
    expect((await gateway.call('GET', `/v1/jobs/${id}`)).body.metadata).toEqual(
      JSON.parse(metadata),
    );
  });

  it('of an edit keeps the metadata of its webhook, and its priority', async () => {
    const webhook = { mode: 'disabled', metadata: { order: 7 } };
    const id = await submitted('/edit_async', { ...EDIT, priority: true, webhook });
    const body = await requestAtReducto(id);
    expect(body).toMatchObject({ priority: true, webhook: { metadata: { gateway_job_id: id } } });
    expect((await gateway.call('GET', `/v1/jobs/${id}`)).body.metadata).toEqual({ order: 7 });
  });

  it('of the legacy form passes with its priority at the top', async () => {
    const id = await submitted('/parse_async', {
      document_url: INPUT,
      options: {},
      priority: true,
    });
    expect(await requestAtReducto(id)).toMatchObject({ document_url: INPUT, priority: true });
  });

  it('of a classify keeps its own priority', async () => {
    const id = await submitted('/classify_async', { ...CLASSIFY, priority: false });
    const body = await requestAtReducto(id);
    expect(body).toMatchObject({ priority: false });
  });

  it.each([
    ['an unknown member of async', { input: INPUT, async: { delay: 1 } }, ['async', 'delay']],
    ['an async that is no object', { input: INPUT, async: 7 }, ['async']],
    [
      'an unknown mode',
      { input: INPUT, async: { webhook: { mode: 'x' } } },
      ['async', 'webhook', 'mode'],
    ],
    [
      'a webhook without URL',
      { input: INPUT, async: { webhook: { mode: 'direct' } } },
      ['async', 'webhook', 'url'],
    ],
    [
      'a priority that is no boolean',
      { input: INPUT, async: { priority: 'x' } },
      ['async', 'priority'],
    ],
    ['no document', {}, ['input']],
    ['a job of another service', { input: `jobid://${NO_JOB}` }, ['input']],
  ])('with %s is refused with its path', async (_, body, path) => {
    const refused = await call('POST', '/parse_async', body);
    expect(refused.status).toBe(422);
    expect(refused.body.detail).toMatchObject([{ loc: ['body', ...path], type: 'value_error' }]);
    expect(refused.headers.get('x-should-retry')).toBe('false');
  });

  it('with a repeated async is refused', async () => {
    const refused = await call(
      'POST',
      '/parse_async',
      `{"input":"${INPUT}","async":{},"async":{}}`,
    );
    expect(refused.body.detail).toMatchObject([{ loc: ['body', 'async'] }]);
  });

  it('without a body is refused, whatever its content type', async () => {
    const empty = await call('POST', '/parse_async', '');
    expect(empty).toMatchObject({ status: 422, body: { detail: [{ loc: ['body'] }] } });
  });

  it('can use the result of a job of its service', async () => {
    const id = await submitted('/parse_async', { input: INPUT });
    const extract = await call('POST', '/extract', { input: `jobid://${id}`, instructions: {} });
    expect(extract).toMatchObject({ status: 200, body: { response_type: 'v3_extract' } });
  });

  it('with an idempotency key is one job, and another one for another endpoint', async () => {
    const headers = { 'idempotency-key': 'sdk-1' };
    const first = await call('POST', '/parse_async', { input: INPUT }, headers);
    const second = await call('POST', '/parse_async', { input: INPUT }, headers);
    expect(second.body).toEqual(first.body);
    const other = await call('POST', '/extract_async', { input: INPUT }, headers);
    expect(other.status).toBe(422);
  });
});

describe('an error', () => {
  it.each([
    ['an unknown path', 'GET', '/nothing', 404, 'NOT_FOUND'],
    ['a path that cannot be decoded', 'GET', '/job/%zz', 400, 'INVALID_CONFIG'],
    ['an id that is no id', 'GET', '/job/a%20b', 404, 'NOT_FOUND'],
    ['a very long id', 'GET', `/job/${'a'.repeat(300)}`, 404, 'NOT_FOUND'],
    ['another method', 'PUT', '/jobs', 405, 'INVALID_CONFIG'],
  ])('for %s has the shape of Reducto', async (_, method, path, status, name) => {
    const answer = await call(method, path);
    expect(answer).toMatchObject({ status, body: { error: { code: status, name } } });
    expect(answer.body.detail).toBe(answer.body.error.message);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(answer.headers.get('x-request-id')).toBeTruthy();
  });

  it('for a missing or wrong key is JSON that SDKs do not retry', async () => {
    for (const authorization of ['', 'Bearer wrong']) {
      const answer = await call('GET', '/jobs', undefined, { authorization });
      expect(answer).toMatchObject({ status: 401, body: { error: { name: 'AUTH_ERROR' } } });
      expect(answer.headers.get('x-should-retry')).toBe('false');
    }
  });

  it('for a key without the scope is a 403', async () => {
    const key = await gateway.newKey('operators', ['admin']);
    const answer = await call('GET', '/jobs', undefined, { authorization: `Bearer ${key}` });
    expect(answer).toMatchObject({ status: 403, body: { error: { name: 'AUTH_ERROR' } } });
  });

  it('for a job of another service does not differ from that for an unknown one', async () => {
    const id = await submitted('/parse_async', { input: INPUT });
    const authorization = `Bearer ${await gateway.newKey('others')}`;
    for (const [method, path] of [
      ['GET', '/job'],
      ['POST', '/cancel'],
    ] as const) {
      const theirs = await call(method, `${path}/${id}`, undefined, { authorization });
      const unknown = await call(method, `${path}/${NO_JOB}`, undefined, { authorization });
      expect([theirs.status, theirs.body]).toEqual([404, unknown.body]);
    }
  });

  it('keeps problem details outside of the surface', async () => {
    const { headers } = await gateway.call('GET', '/v1/nothing');
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });
});

describe('a synchronous call', () => {
  it('of a job that fails answers the error of Reducto, once', async () => {
    const sim = { outcome: 'failed', error: { name: 'DOCUMENT_PASSWORD_PROTECTED', code: 442 } };
    const answer = await call('POST', '/parse', { input: INPUT, sim });
    expect(answer).toMatchObject({
      status: 442,
      body: { error: { code: 442, name: 'DOCUMENT_PASSWORD_PROTECTED' } },
    });
    expect(answer.headers.get('x-should-retry')).toBe('false');
  });

  it.each(['/parse', '/extract'])(
    'to %s in the asynchronous form answers the job id',
    async (path) => {
      const answer = await call('POST', path, { input: INPUT, async: {}, sim: { runMs: 60_000 } });
      expect(Object.keys(answer.body)).toEqual(['job_id']);
    },
  );

  it('to /parse answers the job id before the client times out', async () => {
    const headers = { 'x-reducto-read-timeout': '0.5' };
    const answer = await call('POST', '/parse', { input: INPUT, sim: { runMs: 60_000 } }, headers);
    expect([answer.status, Object.keys(answer.body)]).toEqual([200, ['job_id']]);
  });

  it('to /split answers 504, which SDKs retry, before the client times out', async () => {
    const headers = { 'x-stainless-timeout': '0.5' };
    const body = { input: INPUT, split_description: SPLIT, sim: { runMs: 60_000 } };
    const answer = await call('POST', '/split', body, headers);
    expect(answer).toMatchObject({ status: 504, body: { error: { name: 'TIMEOUT' } } });
    expect(answer.headers.get('x-should-retry')).toBe('true');
  });

  it('asks Reducto for priority, as Reducto prefers synchronous calls', async () => {
    const { body } = await call('POST', '/parse', { input: INPUT });
    expect(await requestAtReducto(body.job_id)).toMatchObject({ async: { priority: true } });
  });
});

it('answers a failed synchronous call with the status that Reducto gives the error', async () => {
  const sim = { outcome: 'failed', error: { name: 'NEW_NAME', code: 418, message: 'no' } };
  const answer = await call('POST', '/parse', { input: INPUT, sim });
  expect(answer).toMatchObject({ status: 418, body: { error: { code: 418, name: 'NEW_NAME' } } });
});

it('logs the SDK of the client', async () => {
  await sdk.parse.runJob({ input: INPUT });
  await expect
    .poll(() => gateway.logs.some((line) => line.includes('"client":"js 0.16.0"')))
    .toBe(true);
});

describe('GET /version', () => {
  it('needs no key and names the version of the gateway in a header', async () => {
    const answer = await send(`${gateway.url}/reducto/version`, 'GET');
    expect(typeof answer.body).toBe('string');
    expect(answer.headers.get('x-gateway-version')).toMatch(/^\d+\.\d+\.\d+/);
  });
});

it('answers 410 for a job whose result has expired', async () => {
  const id = await submitted('/parse_async', { input: INPUT });
  await finished(sdk, id);
  await gateway.pool.query('DELETE FROM job_results WHERE job_id = $1', [id]);
  const answer = await call('GET', `/job/${id}`);
  expect(answer).toMatchObject({ status: 410, body: { error: { name: 'JOB_DELETED' } } });
});

describe('links in a result', () => {
  const edited = async (path: string): Promise<string> => {
    const id = await submitted('/edit_async', EDIT);
    await finished(sdk, id);
    const { body } = await call('GET', `${path}/${id}`);
    return body.result.document_url;
  };

  it('of a job lead to the gateway and need no API key', async () => {
    const url = await edited('/job');
    expect(url).toMatch(`${gateway.url}/files/`);
    const file = await fetch(url);
    expect([file.status, file.headers.get('content-type')]).toEqual([200, 'application/pdf']);
  });

  it('of a synchronous call need no API key, either', async () => {
    const { document_url: url } = await sdk.edit.run(EDIT);
    expect(url).toMatch(`${gateway.url}/files/`);
    expect((await fetch(url)).status).toBe(200);
  });

  it('of the gateway’s own API need the API key, as before', async () => {
    const id = await submitted('/edit_async', EDIT);
    await finished(sdk, id);
    const { body } = await gateway.call('GET', `/v1/jobs/${id}/result`);
    expect(body.document_url).toMatch(`${gateway.url}/v1/jobs/${id}/files/`);
    expect((await fetch(body.document_url)).status).toBe(401);
  });
});
