import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ UPLOAD_MAX_BYTES: '200000', REQUEST_MAX_BYTES: '20000' });
});
afterAll(() => gateway.close());

describe('POST /v1/jobs', () => {
  it.each<[string, unknown, string]>([
    ['no type', { input: 'x' }, 'type'],
    ['an unknown type', { type: 'shred', input: 'x' }, 'type'],
    ['a parse without input', { type: 'parse' }, 'input'],
    ['an input of numbers', { type: 'parse', input: [7] }, 'input'],
    ['a number as input', { type: 'parse', input: 7 }, 'input'],
    ['a split without description', { type: 'split', input: 'x' }, 'split_description'],
    [
      'a split with a nameless part',
      { type: 'split', input: 'x', split_description: [{ description: 'd' }] },
      'split_description.0.name',
    ],
    ['a pipeline without its id', { type: 'pipeline', input: 'x' }, 'pipeline_id'],
    [
      'an edit with input instead of document_url',
      { type: 'edit', input: 'x', edit_instructions: 'y' },
      'document_url',
    ],
    [
      'an edit of a jobid://',
      { type: 'edit', document_url: 'jobid://x', edit_instructions: 'y' },
      'document_url',
    ],
    [
      'a jobid:// hidden elsewhere',
      { type: 'parse', input: 'x', parsing: { from: ['jobid://y'] } },
      'parsing.from.0',
    ],
    ['async', { type: 'parse', input: 'x', async: null }, 'async'],
    ['async_config', { type: 'parse', input: 'x', async_config: {} }, 'async_config'],
    [
      'webhook',
      { type: 'edit', document_url: 'x', edit_instructions: 'y', webhook: {} },
      'webhook',
    ],
    ['metadata that is no object', { type: 'parse', input: 'x', metadata: 'm' }, 'metadata'],
    [
      'huge metadata',
      { type: 'parse', input: 'x', metadata: { m: 'x'.repeat(17_000) } },
      'metadata',
    ],
    ['a priority that is no boolean', { type: 'parse', input: 'x', priority: 'high' }, 'priority'],
    [
      'a jobid:// of an unknown job',
      { type: 'extract', input: 'jobid://01a2082b-ff8e-76c7-b113-fc1d5c8ed87a' },
      'input',
    ],
    ['a jobid:// that is no id', { type: 'extract', input: 'jobid://../x' }, 'input'],
  ])('refuses %s and names the field', async (_, body, path) => {
    const answer = await gateway.call('POST', '/v1/jobs', body);
    expect([answer.status, answer.body.code]).toEqual([422, 'validation_failed']);
    expect(answer.body.errors.map((error: { path: string }) => error.path)).toContain(path);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it.each<[number, string, unknown, Record<string, string>?]>([
    [400, 'malformed_request', '{"type":', { 'content-type': 'application/json' }],
    [400, 'malformed_request', '\ufeff{"type":"parse"}', { 'content-type': 'application/json' }],
    [
      400,
      'malformed_request',
      Buffer.from('{"type":"parse","input":"\xff"}', 'latin1'),
      { 'content-type': 'application/json' },
    ],
    [
      415,
      'unsupported_media_type',
      'type=parse',
      { 'content-type': 'application/x-www-form-urlencoded' },
    ],
    [413, 'payload_too_large', { type: 'parse', input: 'x'.repeat(30_000) }],
    [422, 'validation_failed', [1]],
    [400, 'invalid_idempotency_key', { type: 'parse', input: 'x' }, { 'idempotency-key': 'a b' }],
  ])('returns %i %s', async (status, code, body, headers) => {
    const answer = await gateway.call('POST', '/v1/jobs', body, headers);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it('creates no job for a refused request', async () => {
    const { rows } = await gateway.pool.query('SELECT count(*)::int AS jobs FROM jobs');
    expect(rows).toEqual([{ jobs: 0 }]);
  });
});

it('accepts and returns metadata with a key named __proto__', async () => {
  const metadata = '{"__proto__":{"a":1}}';
  const body = `{"type":"parse","input":"https://example.com/a.pdf","__proto__":{"b":2},"metadata":${metadata}}`;
  const answer = await gateway.call('POST', '/v1/jobs', body, {
    'content-type': 'application/json',
  });
  expect(answer.status).toBe(202);
  expect(JSON.stringify(answer.body.metadata)).toBe(metadata);
});

describe('an invalid query parameter', () => {
  const UNKNOWN = '01a2082b-ff8e-76c7-b113-fc1d5c8ed87a';

  it.each([
    [`/v1/jobs/${UNKNOWN}?wait=abc`, 'wait', 'must be a whole number from 0 to 60'],
    [`/v1/jobs/${UNKNOWN}?wait=61`, 'wait', 'must be a whole number from 0 to 60'],
    [`/v1/jobs/${UNKNOWN}?wait=1&wait=2`, 'wait', 'must be a whole number from 0 to 60'],
    ['/v1/jobs?limit=0', 'limit', 'must be a whole number from 1 to 200'],
    ['/v1/jobs?idempotencyKey=a%20b', 'idempotencyKey', 'must be 1 to 255 printable'],
    ['/v1/jobs?nonsense=1', 'nonsense', 'should not exist'],
  ])('in %s is refused with invalid_query and one message', async (path, field, message) => {
    const { status, body } = await gateway.call('GET', path);
    expect([status, body.code]).toEqual([422, 'invalid_query']);
    expect(body.errors).toEqual([{ path: field, message: expect.stringContaining(message) }]);
  });
});

describe('GET /v1/jobs?idempotencyKey=', () => {
  it('returns only the job that was submitted with the key', async () => {
    const request = { type: 'parse', input: 'https://example.com/a.pdf' };
    const submit = (key: string) =>
      gateway.call('POST', '/v1/jobs', request, { 'idempotency-key': key });
    const wanted = await submit('order/7');
    await submit('order/8');
    const { body } = await gateway.call('GET', '/v1/jobs?idempotencyKey=order%2F7');
    expect(body.jobs.map(({ id }: { id: string }) => id)).toEqual([wanted.body.id]);
  });

  it('does not return a job of another service', async () => {
    const request = { type: 'parse', input: 'https://example.com/a.pdf' };
    await gateway.call('POST', '/v1/jobs', request, { 'idempotency-key': 'shared-key' });
    const authorization = `Bearer ${await gateway.newKey('another')}`;
    const { body } = await gateway.call('GET', '/v1/jobs?idempotencyKey=shared-key', undefined, {
      authorization,
    });
    expect(body.jobs).toEqual([]);
  });
});

describe('an invalid path or method', () => {
  it.each([
    ['/v1/jobs/%zz', 400, 'malformed_request'],
    ['/v1/jobs/%', 400, 'malformed_request'],
    ['/v1/jobs/%ff/result', 400, 'malformed_request'],
    [`/v1/jobs/${'a'.repeat(300)}`, 404, 'not_found'],
    [`/v1/jobs/${'a'.repeat(300)}/events`, 404, 'not_found'],
    ['/v1/nonsense', 404, 'not_found'],
  ])('returns a problem for %s', async (path, status, code) => {
    const answer = await gateway.call('GET', path);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.headers.get('x-request-id')).toBe(answer.body.requestId);
  });

  it.each([
    ['DELETE', '/v1/jobs', ['GET', 'HEAD', 'POST']],
    ['PUT', '/v1/jobs/', ['GET', 'HEAD', 'POST']],
    ['PATCH', '/v1/jobs/01a2082b-ff8e-76c7-b113-fc1d5c8ed87a', ['DELETE', 'GET', 'HEAD']],
    ['GET', '/v1/jobs/01a2082b-ff8e-76c7-b113-fc1d5c8ed87a/cancel', ['POST']],
    ['GET', '/v1/uploads?extension=pdf', ['POST']],
    ['POST', '/health/live', ['GET', 'HEAD']],
    ['DELETE', '/v1/admin/refusals/summary', ['GET', 'HEAD']],
    ['DELETE', '/v1/admin/refusals/recheck', ['GET', 'HEAD', 'POST']],
  ])('returns 405 with the allowed methods for %s %s', async (method, path, methods) => {
    const { status, headers, body } = await gateway.call(method, path);
    expect([status, body.code]).toEqual([405, 'method_not_allowed']);
    expect(headers.get('allow')?.split(', ').toSorted()).toEqual(methods);
  });
});

describe('X-Request-Id', () => {
  const answered = async (id: string) => {
    const { headers, body } = await gateway.call('GET', '/v1/jobs?limit=0', undefined, {
      'x-request-id': id,
    });
    expect(body.requestId).toBe(headers.get('x-request-id'));
    return body.requestId;
  };

  it.each([`rgw_${'k'.repeat(43)}`, `Bearer ${'k'.repeat(30)}`, `v1.${'k'.repeat(43)}`])(
    'replaces an id that is a credential: %j',
    async (id) => {
      expect(await answered(id)).not.toContain('kkk');
    },
  );

  it.each(['order-7', 'a b', 'x'.repeat(128), '{"a":"b"}'])('keeps %j', async (id) => {
    expect(await answered(id)).toBe(id);
  });

  it.each(['', 'x'.repeat(129), 'caf\u00e9', 'a\tb'])('replaces %j', async (id) => {
    expect(await answered(id)).toMatch(/^[0-9a-f-]{36}$/);
  });
});

it('links a problem to the documentation of its code', async () => {
  const { body } = await gateway.call('GET', '/v1/jobs/unknown');
  const link = new URL(body.type, gateway.url);
  const page = await fetch(link);
  expect(page.headers.get('content-type')).toContain('text/html');
  expect(await page.text()).toContain(`<h2 id="${link.hash.slice(1)}">job_not_found</h2>`);
});

describe('a request without a valid key', () => {
  it.each([undefined, '', 'Bearer', 'Bearer nonsense', 'Basic abc', `Bearer ${'x'.repeat(2000)}`])(
    'returns 401 for the header %s',
    async (header) => {
      const { status, body } = await send(
        `${gateway.url}/v1/jobs`,
        'GET',
        undefined,
        header === undefined ? {} : { authorization: header },
      );
      expect([status, body.code]).toEqual([401, 'unauthenticated']);
    },
  );
});

describe('POST /v1/uploads', () => {
  function form(bytes: number, field = 'file', name = 'a.pdf'): FormData {
    const data = new FormData();
    data.append(field, new Blob([new Uint8Array(bytes)]), name);
    return data;
  }

  it('accepts a file name with special characters', async () => {
    const { status } = await gateway.call(
      'POST',
      '/v1/uploads',
      form(10, 'file', 'a"\r\nX: y.pdf'),
    );
    expect(status).toBe(201);
  });

  it.each<[string, () => unknown, number, string]>([
    ['too large a file', () => form(200_001), 413, 'payload_too_large'],
    ['an empty file', () => form(0), 422, 'validation_failed'],
    ['a file under another name', () => form(5, 'document'), 422, 'validation_failed'],
    ['JSON', () => ({ file: 'x' }), 415, 'unsupported_media_type'],
  ])('refuses %s', async (_, body, status, code) => {
    const answer = await gateway.call('POST', '/v1/uploads', body());
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it('refuses a malformed form with a response', async () => {
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    const answer = await gateway.call('POST', '/v1/uploads', '--x\r\nnonsense', headers);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  });
});
