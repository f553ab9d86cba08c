import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send, startGateway, type TestGateway } from '../support/gateway.js';
import { head, openConnection } from '../support/raw-connection.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ RECONCILE_INTERVAL_SECONDS: '3600' });
});
afterAll(() => gateway.close());

/** The raw answer: clients normalize some of these paths. */
async function answerTo(text: string): Promise<string> {
  const connection = await openConnection(gateway.url, text);
  return connection.closed;
}
const get = (path: string): Promise<string> =>
  answerTo(head(`GET ${path}`, { connection: 'close' }));

it.each(['/admin/%', '/%61dmin/%', '/%61%64%6D%69%6e/%zz', '/admin/jobs/%ff', '/%2561dmin/%'])(
  'answers %s with 400',
  async (path) => {
    expect(await get(path)).toMatch(/^HTTP\/1\.1 400 /);
  },
);

it.each(['/admin/%', '/%61dmin/%', '/%61%64%6D%69%6e/%zz', '/admin/jobs/%ff', '/admin%2fjobs'])(
  'answers %s with the security headers of the console',
  async (path) => {
    const answer = await get(path);
    expect(answer).toMatch(/^content-security-policy: default-src 'none'/im);
    expect(answer).toMatch(/^cache-control: no-store/im);
    expect(answer).toMatch(/^x-frame-options: DENY/im);
  },
);

it.each([
  ['a health check', head('GET /health/live', { connection: 'close' })],
  ['a request without a key', head('GET /v1/jobs', { connection: 'close' })],
  ['an unknown route', head('GET /nothing', { connection: 'close' })],
  ['a wrong method', head('DELETE /health/live', { connection: 'close' })],
  ['a path that cannot be decoded', head('GET /%', { connection: 'close' })],
  ['a callback that is no JSON', head('POST /webhooks/reducto', { connection: 'close' })],
  ['an unknown expectation', head('POST /v1/jobs', { expect: 'x', 'content-length': 9 })],
  ['a request that is not HTTP', 'hello\r\n\r\n'],
  ['a header that is too long', head('GET /', { 'x-long': 'x'.repeat(40_000) })],
])('tells browsers not to guess the type of the answer to %s', async (_, request) => {
  expect(await answerTo(request)).toMatch(/^x-content-type-options: nosniff/im);
});

it.each([
  ['a request that is not HTTP', 'hello\r\n\r\n', 400, 'malformed_request'],
  ['an unknown method', 'FOO / HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'malformed_request'],
  [
    'two lengths of a body',
    head('POST /v1/jobs', { 'content-length': '1\r\ncontent-length: 2' }),
    400,
    'malformed_request',
  ],
  ['headers of 17 KB', head('GET /', { 'x-long': 'x'.repeat(17_000) }), 431, 'headers_too_large'],
  ['a path of 17 KB', head(`GET /${'x'.repeat(17_000)}`, {}), 431, 'headers_too_large'],
])('answers %s with problem details that have a code', async (_, request, status, code) => {
  const [headers = '', body = ''] = (await answerTo(request)).split('\r\n\r\n');
  expect(headers).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(headers).toContain('application/problem+json');
  const problem: unknown = JSON.parse(body);
  expect(problem).toMatchObject({ type: `/docs/errors#${code}`, status, code });
  expect(headers).toContain(`x-request-id: ${(problem as { requestId: string }).requestId}`);
});

it('answers other requests after one that is not HTTP', async () => {
  await answerTo('hello\r\n\r\n');
  expect((await send(`${gateway.url}/health/live`, 'GET')).status).toBe(200);
});

describe('headers that do not come in time', () => {
  let strict: TestGateway;
  beforeAll(async () => {
    strict = await startGateway({
      REQUEST_HEADERS_TIMEOUT_SECONDS: '1',
      RECONCILE_INTERVAL_SECONDS: '3600',
    });
  });
  afterAll(() => strict.close());

  it('are answered with 408 and problem details that have a code', async () => {
    const { closed } = await openConnection(strict.url, 'GET / HTTP/1.1\r\nHost: x\r\n');
    const [headers = '', body = ''] = (await closed).split('\r\n\r\n');
    expect(headers).toMatch(/^HTTP\/1\.1 408 /);
    expect(JSON.parse(body)).toMatchObject({ code: 'request_timeout', status: 408 });
  });
});
