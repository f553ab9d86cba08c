import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { head, openConnection } from '../support/raw-connection.js';

/* Raw HTTP of the SDKs for Python and Go, which differ in headers, empty bodies, and escapes. */

const INPUT = 'https://example.com/a.pdf';
const PDF = '%PDF-1.4 text';
const JSON_TYPE = { 'content-type': 'application/json' };

/** How an SDK writes its requests. */
interface Sdk {
  readonly headers: Record<string, string>;
  readonly retryCount: string;
  readonly timeout: string;
  /** Of a POST without a body. */
  readonly empty: Record<string, string>;
  /** An upload without a file. */
  readonly noFile: readonly [headers: Record<string, string>, body: string];
  /** An upload id in a path. */
  readonly escape: (id: string) => string;
}

const EMPTY_FORM = ['--x--\r\n', 'multipart/form-data; boundary=x'] as const;

const SDKS: Record<string, Sdk> = {
  'the older Python SDK': {
    headers: {
      'user-agent': 'AsyncReducto/Python 0.20.0',
      'x-stainless-lang': 'python',
      'x-stainless-package-version': '0.20.0',
      'x-stainless-async': 'async:asyncio',
    },
    retryCount: 'x-stainless-retry-count',
    timeout: 'x-stainless-read-timeout',
    empty: JSON_TYPE,
    noFile: [{ 'content-type': EMPTY_FORM[1] }, EMPTY_FORM[0]],
    escape: (id) => id,
  },
  'the Python SDK': {
    headers: {
      'user-agent': 'Reducto/Python 0.26.0',
      'x-reducto-lang': 'python',
      'x-reducto-package-version': '0.26.0',
      'x-reducto-async': 'false',
    },
    retryCount: 'x-reducto-retry-count',
    timeout: 'x-reducto-read-timeout',
    empty: JSON_TYPE,
    noFile: [JSON_TYPE, '{}'],
    escape: (id) => id.replaceAll('/', '%2F'),
  },
  'the older Go SDK': {
    headers: {
      'user-agent': 'Reducto/Go 0.0.1-alpha.1',
      'x-stainless-lang': 'go',
      'x-stainless-package-version': '0.0.1-alpha.1',
    },
    retryCount: 'x-stainless-retry-count',
    timeout: 'x-stainless-timeout',
    empty: {},
    noFile: [JSON_TYPE, '{}'],
    escape: encodeURIComponent,
  },
  'the Go SDK': {
    headers: {
      'user-agent': 'invoices/2.0 Reducto/Go 0.1.0',
      'x-reducto-lang': 'go',
      'x-reducto-package-version': '0.1.0',
      'x-reducto-os': 'Linux',
      'x-reducto-arch': 'amd64',
      'x-reducto-runtime': 'go',
      'x-reducto-runtime-version': 'go1.25',
      'x-reducto-async': 'false',
      'x-reducto-client': 'invoices',
      'x-reducto-client-version': '2.0',
    },
    retryCount: 'x-reducto-retry-count',
    timeout: 'x-reducto-read-timeout',
    empty: {},
    noFile: [{}, ''],
    escape: (id) => id.replaceAll('/', '%2F'),
  },
};

interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read responses without types
  readonly body: any;
}

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({}, { platform: { enhanced: true } });
});
afterAll(() => gateway.close());

/** Sends exactly these headers; every answer is JSON that is not empty. */
async function call(
  line: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<RawAnswer> {
  const [method, path] = line.split(' ');
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const all = { authorization: `Bearer ${gateway.key}`, ...headers, ...length };
  const sent = `${head(`${method} /reducto${path}`, { ...all, connection: 'close' })}${body ?? ''}`;
  const connection = await openConnection(gateway.url, sent);
  const text = await connection.closed;
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const answered = Object.fromEntries(
    lines.map((one) => {
      const [name = '', ...value] = one.split(': ');
      return [name.toLowerCase(), value.join(': ')];
    }),
  );
  expect(answered['content-type']).toMatch(/^application\/json/);
  return {
    status: Number(first.split(' ')[1]),
    headers: answered,
    body: JSON.parse(text.slice(end + 4)),
  };
}

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  call(`POST ${path}`, { ...JSON_TYPE, ...headers }, JSON.stringify(body));

async function submitted(body: object, path = '/parse_async'): Promise<string> {
  const { status, body: answer } = await post(path, body);
  expect(status).toBe(200);
  return answer.job_id;
}

/** Polls like the loops of the SDKs: until Completed or Failed. */
const finished = (id: string): Promise<RawAnswer> =>
  eventually('the job has finished', async () => {
    const job = await call(`GET /job/${id}`);
    return ['Completed', 'Failed'].includes(job.body.status) ? job : undefined;
  });

function form(name: string): [headers: Record<string, string>, body: string] {
  const part = `--x\r\ncontent-disposition: form-data; name="file"; filename="${name}"\r\n\r\n${PDF}\r\n--x--\r\n`;
  return [{ 'content-type': 'multipart/form-data; boundary=x' }, part];
}

describe.each(Object.entries(SDKS))('%s', (name, sdk) => {
  const { headers, retryCount, timeout, empty, noFile, escape } = sdk;

  it('submits a job and reads its result', async () => {
    const accepted = await post('/parse_async', { input: INPUT }, headers);
    expect(accepted).toMatchObject({ status: 200, body: { job_id: expect.any(String) } });
    const { body } = await finished(accepted.body.job_id);
    expect(body).toMatchObject({ status: 'Completed', result: { response_type: 'parse' } });
    expect(body).not.toHaveProperty('job_id');
  });

  it('gets the answer of a synchronous call with the type that its decoder needs', async () => {
    const answer = await post('/parse', { input: INPUT }, { ...headers, [timeout]: '3600' });
    expect(answer).toMatchObject({
      status: 200,
      body: { response_type: 'parse', result: { type: 'full' } },
    });
  });

  it('gets the job id of a synchronous call before its own timeout', async () => {
    const body = { input: INPUT, sim: { runMs: 60_000 } };
    const answer = await post('/parse', body, { ...headers, [timeout]: '0.5' });
    expect(Object.keys(answer.body)).toEqual(['job_id']);
  });

  it('joins the job of its first request by its retry count', async () => {
    const body = { input: `https://example.com/${encodeURIComponent(name)}.pdf` };
    const first = await post('/parse_async', body, { ...headers, [retryCount]: '0' });
    const second = await post('/parse_async', body, { ...headers, [retryCount]: '1' });
    const third = await post('/parse_async', body, { ...headers, [retryCount]: '2' });
    expect([second.body, third.body]).toEqual([first.body, first.body]);
  });

  it('cancels a job with a POST that has no body', async () => {
    const id = await submitted({ input: INPUT, sim: { runMs: 60_000 } });
    const answer = await call(`POST /cancel/${id}`, { ...headers, ...empty }, '');
    expect(answer).toMatchObject({ status: 200, body: {} });
    expect((await finished(id)).body).toMatchObject({ status: 'Failed' });
  });

  it('is refused the portal with a POST that has no body', async () => {
    const answer = await call('POST /configure_webhook', { ...headers, ...empty }, '');
    expect(answer).toMatchObject({ status: 403, body: { error: { name: 'AUTH_ERROR' } } });
  });

  it('is told that an upload without a file is not supported', async () => {
    const [type, body] = noFile;
    const answer = await call('POST /upload', { ...headers, ...type }, body);
    expect(answer).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ['body', 'file'], type: 'value_error' }] },
    });
  });

  it('uploads a file, and deletes it by its id in a path', async () => {
    const [type, body] = form('a');
    const uploaded = await call('POST /upload?extension=pdf', { ...headers, ...type }, body);
    expect(uploaded).toMatchObject({ status: 200, body: { presigned_url: null } });
    const { file_id: id } = uploaded.body;
    expect(id).toMatch(/^reducto:\/\//);
    const path = `/upload/${escape(id)}`;
    expect(await call(`DELETE ${path}`, headers)).toMatchObject({
      status: 200,
      body: { file_id: id },
    });
    expect(await call(`DELETE ${path}`, headers)).toMatchObject({ status: 404 });
  });

  it('deletes a job, whose reads then answer 409 or 410', async () => {
    const id = await submitted({ input: INPUT });
    await finished(id);
    const deleted = await call(`DELETE /job/${id}`, { ...headers, ...empty });
    expect(deleted).toMatchObject({ status: 202, body: { job_id: id } });
    const read = await call(`GET /job/${id}`, headers);
    expect([409, 410]).toContain(read.status);
  });

  it('reads the version, also with a key that the gateway does not know', async () => {
    const version = await call('GET /version', { ...headers, authorization: 'Bearer unknown' });
    expect(version.status).toBe(200);
    expect(version.body).toMatch(/./);
  });
});

describe('GET /jobs', () => {
  it.each([1, 500])('takes the limit %i', async (limit) => {
    expect(await call(`GET /jobs?limit=${limit}`)).toMatchObject({ status: 200 });
  });

  it('answers 100 jobs if no limit is given', async () => {
    const key = await gateway.newKey('many');
    await gateway.pool.query(
      `INSERT INTO jobs (id, service, type, status, ended_at, settled_by)
       SELECT gen_random_uuid(), 'many', 'parse', 'completed', now(), 'webhook' FROM generate_series(1, 101)`,
    );
    const { body } = await call('GET /jobs', { authorization: `Bearer ${key}` });
    expect(body.jobs).toHaveLength(100);
    expect(body.next_cursor).toBe(body.jobs[99].job_id);
  });

  it('answers items with the members of Reducto', async () => {
    await submitted({ input: INPUT });
    const own = await call('GET /jobs?limit=1');
    const authorization = `Bearer ${gateway.sandbox.apiKey}`;
    const straight = await fetch(`${gateway.sandbox.url}/jobs?limit=1`, {
      headers: { authorization },
    });
    const { jobs } = (await straight.json()) as { jobs: object[] };
    expect(Object.keys(own.body.jobs[0]).toSorted()).toEqual(Object.keys(jobs[0] ?? {}).toSorted());
  });

  it('answers configs that are JSON in a text', async () => {
    await submitted({ input: INPUT });
    const { body } = await call('GET /jobs?limit=1');
    expect(JSON.parse(body.jobs[0].raw_config)).toEqual({});
  });

  it('shows a cancelled job as Cancelled', async () => {
    const id = await submitted({ input: INPUT, sim: { runMs: 60_000 } });
    await call(`POST /cancel/${id}`, {}, '');
    await finished(id);
    const { body } = await call('GET /jobs?limit=500');
    const found = body.jobs.find((job: { job_id: string }) => job.job_id === id);
    expect(found.status).toBe('Cancelled');
  });
});

describe('GET /job', () => {
  it('ignores parameters that Reducto does not know, such as those of older versions', async () => {
    const id = await submitted({ input: INPUT });
    const answer = await call(`GET /job/${id}?timeout=1&bucket_name=a&unknown=%00`);
    expect(answer.status).toBe(200);
  });

  it('answers the time of the submit in microseconds without a zone', async () => {
    const { body } = await call(`GET /job/${await submitted({ input: INPUT })}`);
    expect(body.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
  });

  it('of an open job is Pending without a result', async () => {
    const id = await submitted({ input: INPUT, sim: { runMs: 60_000 } });
    const { status, body } = await call(`GET /job/${id}`);
    expect([status, body.status, body.result, body.error]).toEqual([200, 'Pending', null, null]);
  });

  it('of a failed job is 200 with the error of Reducto', async () => {
    const error = { name: 'INVALID_CONFIG', code: 400, message: 'The document does not exist.' };
    const id = await submitted({ input: INPUT, sim: { outcome: 'failed', error } });
    const { status, body } = await finished(id);
    expect([status, body.status, body.result]).toEqual([200, 'Failed', null]);
    expect(body.error).toMatchObject({ name: 'INVALID_CONFIG', code: 400, job_id: id });
    expect(body.reason).toBe(body.error.message);
  });

  it('of an id with a raw slash is 404', async () => {
    expect(await call('GET /job/a%20b/c')).toMatchObject({ status: 404 });
  });
});

describe('DELETE /job', () => {
  it.each([
    ['', false],
    ['?include_persisted=true', true],
    ['?include_persisted=false', false],
  ])('with the query "%s" tells Reducto whether to delete persisted results', async (query, is) => {
    const id = await submitted({ input: INPUT });
    await finished(id);
    gateway.sandbox.platform.set({ outageStatus: 503 });
    try {
      await call(`DELETE /job/${id}${query}`);
      const { rows } = await gateway.pool.query(
        'SELECT include_persisted FROM upstream_deletions WHERE job_id = $1',
        [id],
      );
      expect(rows).toEqual([{ include_persisted: is }]);
    } finally {
      gateway.sandbox.platform.set({ outageStatus: 0 });
    }
  });
});

describe('a synchronous call', () => {
  const slow = { input: INPUT, sim: { runMs: 60_000 } };

  it.each(['/parse', '/extract'])('to %s with queue_priority answers the job id', async (path) => {
    const { body } = await post(path, { ...slow, queue_priority: 'batch' });
    expect(Object.keys(body)).toEqual(['job_id']);
  });

  it('with an async that is null answers the result', async () => {
    const { body } = await post('/parse', { input: INPUT, async: null });
    expect(body).toMatchObject({ response_type: 'parse' });
  });

  it('that asks for a result by URL gets it inline', async () => {
    const settings = { force_url_result: true };
    const { body } = await post('/parse', { input: INPUT, settings });
    expect(body.result).toMatchObject({ type: 'full' });
  });

  it.each(['split', 'edit', 'classify', 'pipeline'])(
    'to /%s never answers a job id, which its clients do not know',
    async (type) => {
      const bodies: Record<string, object> = {
        split: { ...slow, split_description: [{ name: 'a', description: 'b' }] },
        edit: { document_url: INPUT, edit_instructions: 'Sign.', sim: slow.sim },
        classify: { ...slow, classification_schema: [{ category: 'a', criteria: ['b'] }] },
        pipeline: { ...slow, pipeline_id: 'p' },
      };
      const headers = { 'x-reducto-read-timeout': '0.5' };
      const answer = await post(`/${type}`, bodies[type], headers);
      expect(answer).toMatchObject({ status: 504, body: { error: { name: 'TIMEOUT' } } });
      expect(answer.headers['x-should-retry']).toBe('true');
    },
  );
});

describe('an error', () => {
  it('for malformed JSON is a 400 with Reducto’s members', async () => {
    const answer = await call('POST /parse_async', JSON_TYPE, '{"input":');
    expect(answer).toMatchObject({ status: 400, body: { error: { name: 'INVALID_CONFIG' } } });
    expect(answer.body.detail).toBe(answer.body.error.message);
  });

  it('for a body of another type is a 415 with Reducto’s members', async () => {
    const answer = await call('POST /parse_async', { 'content-type': 'text/plain' }, 'x');
    expect(answer).toMatchObject({ status: 415, body: { error: { code: 415 } } });
  });

  it('for the deletion of an upload whose id has a NUL is a 404', async () => {
    const answer = await call('DELETE /upload/reducto://a%00b.pdf');
    expect(answer).toMatchObject({ status: 404, body: { error: { name: 'NOT_FOUND' } } });
  });

  it('for a compressed body is a 415 that names the header', async () => {
    const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' };
    const answer = await call('POST /parse_async', headers, '{}');
    expect(answer).toMatchObject({ status: 415, body: { error: { code: 415 } } });
    expect(answer.body.detail).toContain('Content-Encoding');
  });

  it.each(['0x10', '1e2', '%201', '1.0', ''])('for the limit %s is a 422', async (limit) => {
    const answer = await call(`GET /jobs?limit=${limit}`);
    expect(answer).toMatchObject({ status: 422, body: { detail: [{ loc: ['query', 'limit'] }] } });
  });

  it('for headers that are too large is a 431 with Reducto’s members', async () => {
    const answer = await call('GET /jobs', { 'x-long': 'x'.repeat(17_000) });
    expect(answer).toMatchObject({ status: 431, body: { error: { code: 431 } } });
    expect(answer.headers['x-should-retry']).toBe('false');
  });

  it('for a request that is not HTTP is a 400 with Reducto’s members', async () => {
    const answer = await call('GET /jobs', { 'bad name': 'x' });
    expect(answer).toMatchObject({ status: 400, body: { error: { name: 'INVALID_CONFIG' } } });
  });

  it.each([
    ['async.metadata', { async: { metadata: 'x'.repeat(17_000) } }, ['async', 'metadata']],
    ['async.priority', { async: { priority: 'high' } }, ['async', 'priority']],
    ['priority', { priority: 'high' }, ['priority']],
    ['webhook.metadata', { webhook: { metadata: 'x'.repeat(17_000) } }, ['webhook', 'metadata']],
  ])('of %s names its place in the request', async (_, body, place) => {
    const answer = await post('/parse_async', { input: INPUT, ...body });
    expect(answer).toMatchObject({ status: 422, body: { detail: [{ loc: ['body', ...place] }] } });
  });

  it('for the path of Reducto’s old version is a 404', async () => {
    expect(await post('/async_parse', { document_url: INPUT })).toMatchObject({ status: 404 });
  });

  it('of a full queue asks for a retry within the minute that SDKs obey', async () => {
    const key = await gateway.newKey('full');
    await gateway.pool.query(`INSERT INTO services (service, max_queued) VALUES ('full', 0)`);
    const headers = { authorization: `Bearer ${key}` };
    const answer = await post('/parse_async', { input: INPUT }, headers);
    expect(answer).toMatchObject({ status: 429, body: { error: { name: 'QUEUE_FULL' } } });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60);
  });
});
