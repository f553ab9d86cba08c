import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { startRawUpstream, type RawRequest, type RawUpstream } from '../support/raw-upstream.js';
import { LEGACY_REQUESTS, V3_REQUESTS } from '../support/reducto-requests.js';

/* Requests of Reducto's API 1.12 and of its legacy form reach Reducto with all of their fields, as they were written. */

let gateway: TestGateway;
let upstream: RawUpstream;

beforeAll(async () => {
  upstream = await startRawUpstream();
  gateway = await startGateway({ REDUCTO_BASE_URL: upstream.url });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

/** Submits `request` with the members that are the gateway's own, and returns what Reducto got. */
async function sent(type: string, request: string, own = ''): Promise<RawRequest> {
  const body = `{"type":"${type}",${own}${request.slice(1)}`;
  const response = await gateway.call('POST', '/v1/jobs', body, {
    'content-type': 'application/json',
  });
  expect(response).toMatchObject({ status: 202 });
  return submitOf(response.body.id);
}

function submitOf(id: string): Promise<RawRequest> {
  return eventually('the submit', () => upstream.requests.find(({ body }) => body.includes(id)));
}

/** Submits `request` as an SDK does, and returns what Reducto got. */
async function sentBySdk(
  type: string,
  request: string,
  headers: Record<string, string> = {},
): Promise<RawRequest> {
  const body = request.replace(/^\{\s+/, '{');
  const response = await gateway.call('POST', `/reducto/${type}_async`, body, {
    'content-type': 'application/json',
    ...headers,
  });
  expect(response).toMatchObject({ status: 200 });
  return submitOf(response.body.job_id);
}

/** The members that the gateway has appended to `request`. */
function addedTo(request: string, { body }: RawRequest): Record<string, unknown> {
  const text = body.toString();
  // The gateway removes its own members, with the whitespace after them.
  const unchanged = request.slice(0, request.lastIndexOf('}')).replace(/^\{\s+/, '{');
  expect(text.slice(0, unchanged.length)).toBe(unchanged);
  return JSON.parse(`{${text.slice(unchanged.length + 1)}`);
}

const WEBHOOK = { mode: 'direct', url: expect.stringMatching(/\/webhooks\/reducto$/) };
const METADATA = { gateway_job_id: expect.any(String), token: expect.any(String) };
const ASYNC = { metadata: METADATA, webhook: WEBHOOK };
const TOP_LEVEL = { webhook: { ...WEBHOOK, metadata: METADATA } };

describe('a request of the v3 form keeps every field', () => {
  it.each(Object.entries(V3_REQUESTS))('of %s', async (type, request) => {
    const submitted = await sent(type, request);
    expect(submitted.path).toBe(`/${type}_async`);
    expect(addedTo(request, submitted)).toEqual(type === 'edit' ? TOP_LEVEL : { async: ASYNC });
  });

  it.each(['parse', 'extract', 'split', 'pipeline'] as const)(
    'of %s, with the priority in `async`',
    async (type) => {
      const submitted = await sent(type, V3_REQUESTS[type], '"priority":true,');
      expect(addedTo(V3_REQUESTS[type], submitted)).toEqual({
        async: { ...ASYNC, priority: true },
      });
    },
  );

  it('of edit, with the priority at the top level', async () => {
    const submitted = await sent('edit', V3_REQUESTS.edit, '"priority":true,');
    expect(addedTo(V3_REQUESTS.edit, submitted)).toEqual({ priority: true, ...TOP_LEVEL });
  });

  it.each(['true', 'false'])('of classify, with its own priority %s', async (priority) => {
    const request = `{"priority":${priority},${V3_REQUESTS.classify.slice(1)}`;
    const submitted = await sent('classify', request);
    expect(addedTo(request, submitted)).toEqual({
      async: { ...ASYNC, ...(priority === 'true' ? { priority: true } : {}) },
    });
  });

  it.each(['auto', 'standard', 'batch'])('of parse, with the queue_priority %s', async (value) => {
    const request = `{"input":"https://example.com/a.pdf","queue_priority":"${value}"}`;
    expect(addedTo(request, await sent('parse', request))).toEqual({ async: ASYNC });
  });
});

describe('a request of the legacy form keeps every field', () => {
  it.each(Object.entries(LEGACY_REQUESTS))(
    'of %s, with the webhook at the top level',
    async (type, request) => {
      const submitted = await sent(type, request);
      expect(submitted.path).toBe(`/${type}_async`);
      expect(addedTo(request, submitted)).toEqual(TOP_LEVEL);
    },
  );

  it('of parse, with the priority at the top level', async () => {
    const submitted = await sent('parse', LEGACY_REQUESTS.parse, '"priority":true,');
    expect(addedTo(LEGACY_REQUESTS.parse, submitted)).toEqual({ priority: true, ...TOP_LEVEL });
  });
});

describe('a request of an SDK keeps every field', () => {
  it.each(Object.entries(V3_REQUESTS))('of %s', async (type, request) => {
    const submitted = await sentBySdk(type, request);
    expect(submitted.path).toBe(`/${type}_async`);
    expect(addedTo(request, submitted)).toEqual(type === 'edit' ? TOP_LEVEL : { async: ASYNC });
  });

  it.each(Object.entries(LEGACY_REQUESTS))('of %s in the legacy form', async (type, request) => {
    expect(addedTo(request, await sentBySdk(type, request))).toEqual(TOP_LEVEL);
  });
});

it('sends Reducto neither the key nor the headers of a client', async () => {
  const headers = { 'user-id': 'u1', 'x-reducto-client': 'invoices', 'x-stainless-lang': 'js' };
  const submitted = await sentBySdk('parse', V3_REQUESTS.parse, headers);
  expect(Object.keys(submitted.headers)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^(user-id|x-reducto-|x-stainless-)/)]),
  );
  expect(submitted.headers.authorization).not.toContain(gateway.key);
});

it('replaces the id of an earlier job in a request of the legacy form', async () => {
  upstream.answers.poll = { body: '{"status":"Completed","result":{"a":1}}' };
  const source = await gateway.submit();
  await gateway.ended(source);
  const { rows } = await gateway.pool.query<{ upstream_id: string }>(
    'SELECT upstream_id FROM jobs WHERE id = $1',
    [source],
  );
  const request = (id: string): string => `{"document_url": "jobid://${id}"}`;
  const submitted = await sent('parse', request(source));
  expect(addedTo(request(rows[0]?.upstream_id ?? ''), submitted)).toEqual(TOP_LEVEL);
});
