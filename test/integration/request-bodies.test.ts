import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/dev/free-port.js';
import { InternalServer } from '../../src/metrics/internal-server.js';
import { eventually, send, startGateway, type TestGateway } from '../support/gateway.js';
import { flood, head, openConnection, trickle } from '../support/raw-connection.js';

const MEBIBYTE = 1024 * 1024;
const CHUNK = Buffer.from(`10000\r\n${'x'.repeat(65_536)}\r\n`);
const ELSEWHERE = '192.0.2.0/24';

let gateway: TestGateway;
let inside: string;
let admin: Record<string, string>;

beforeAll(async () => {
  gateway = await startGateway({
    METRICS_PORT: String(await freePort()),
    REQUEST_HEADERS_TIMEOUT_SECONDS: '1',
    REQUEST_BODY_TIMEOUT_SECONDS: '1',
    REQUEST_MAX_BYTES: '200000',
    WEBHOOK_MAX_BYTES: '100000',
    UPLOAD_MIN_BYTES_PER_SECOND: '100000',
  });
  inside = gateway.app.get(InternalServer, { strict: false }).url;
  admin = { authorization: `Bearer ${await gateway.newKey('security', ['admin'])}` };
});
afterAll(() => gateway.close());

const json = { 'content-type': 'application/json' };
const withKey = (): Record<string, string> => ({ ...json, authorization: `Bearer ${gateway.key}` });
const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);

describe('a request that is refused by its headers', () => {
  it.each([
    ['with a wrong key', 'POST /v1/jobs', { authorization: 'Bearer wrong' }, 401],
    ['without a key', 'POST /v1/uploads', {}, 401],
    ['to a route that does not exist', 'POST /nothing', {}, 404],
    ['to an unknown route of the API', 'POST /v1/nothing', {}, 404],
    ['with JSON for the sign-in', 'POST /admin/sign-in', {}, 415],
  ])('is answered before its body comes: %s', async (_, line, headers, status) => {
    const connection = await openConnection(
      gateway.url,
      head(line, { ...json, ...headers, 'content-length': 100_000 }),
    );
    const text = await connection.closed;
    expect(statusOf(text)).toBe(status);
    expect(text).toMatch(/connection: close/i);
  });

  it('gets no 100 Continue', async () => {
    const headers = { ...json, expect: '100-continue', 'content-length': 10 };
    const connection = await openConnection(gateway.url, head('POST /v1/jobs', headers));
    const text = await connection.closed;
    expect(statusOf(text)).toBe(401);
  });

  it('leaves the connection open for the next request if its body is short and complete', async () => {
    const first = `${head('POST /v1/jobs', { ...json, 'content-length': 2 })}{}`;
    const next = head('GET /health/live', { connection: 'close' });
    const connection = await openConnection(gateway.url, first + next);
    const text = await connection.closed;
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 401', 'HTTP/1.1 200']);
  });

  it('ends the connection if its short body does not arrive', async () => {
    const part = `${head('POST /v1/jobs', { ...json, 'content-length': 2 })}{`;
    const connection = await openConnection(gateway.url, part);
    expect(statusOf(await connection.closed)).toBe(401);
  });
});

describe('an endless chunked body', () => {
  it.each([
    ['POST /v1/jobs', 401],
    ['POST /nothing', 404],
    ['GET /health/live', 200],
    ['POST /v1/%zz', 400],
  ])('is not read further after the answer to %s', async (line, status) => {
    const connection = await openConnection(
      gateway.url,
      head(line, { ...json, 'transfer-encoding': 'chunked' }),
    );
    const taken = await flood(connection, CHUNK);
    expect(statusOf(connection.received())).toBe(status);
    // What the buffers of the two sockets take is no more than a few megabytes.
    expect(taken).toBeLessThan(16 * MEBIBYTE);
  });

  it('is not read further after the answer to an unknown expectation', async () => {
    const headers = { ...json, expect: 'magic', 'transfer-encoding': 'chunked' };
    const connection = await openConnection(gateway.url, head('POST /v1/jobs', headers));
    expect(await flood(connection, CHUNK)).toBeLessThan(16 * MEBIBYTE);
    expect(statusOf(connection.received())).toBe(417);
  });

  it('is not read further after the answer of METRICS_PORT', async () => {
    const headers = { 'transfer-encoding': 'chunked' };
    const connection = await openConnection(inside, head('POST /metrics', headers));
    expect(await flood(connection, CHUNK)).toBeLessThan(16 * MEBIBYTE);
    expect(statusOf(connection.received())).toBe(405);
  });

  it('of a request with a key is refused at the limit', async () => {
    const connection = await openConnection(
      gateway.url,
      head('POST /v1/jobs', { ...withKey(), 'transfer-encoding': 'chunked' }),
    );
    expect(await flood(connection, CHUNK)).toBeLessThan(16 * MEBIBYTE);
    expect(statusOf(connection.received())).toBe(413);
  });

  it('of a callback is refused at the limit and recorded', async () => {
    const connection = await openConnection(
      gateway.url,
      head('POST /webhooks/reducto', { ...json, 'transfer-encoding': 'chunked' }),
    );
    expect(await flood(connection, CHUNK)).toBeLessThan(16 * MEBIBYTE);
    expect(statusOf(connection.received())).toBe(413);
    const path = '/v1/admin/refusals/summary?cause=too_large';
    await expect
      .poll(async () => (await gateway.call('GET', path, undefined, admin)).body.total)
      .toBe(1);
  });
});

describe('a connection that sends single bytes slowly', () => {
  it.each([
    ['on the main port', () => gateway.url],
    ['on the inside port', () => inside],
  ])(
    'is closed while it sends headers %s',
    async (_, url) => {
      const connection = await openConnection(url(), 'GET /health/live HTTP/1.1\r\nx: ');
      // Node answers that the request took too long.
      expect(await trickle(connection)).toMatch(/^(HTTP\/1\.1 408 |$)/);
    },
    30_000,
  );

  it('is closed before it has sent anything', async () => {
    const connection = await openConnection(gateway.url);
    expect(await connection.closed).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  it.each([
    ['a request', 'POST /v1/jobs'],
    ['a callback', 'POST /webhooks/reducto'],
    ['a form', 'POST /admin/sign-in'],
  ])('gets a 408 while it sends the body of %s', async (_, line) => {
    const type = line.includes('admin')
      ? 'application/x-www-form-urlencoded'
      : json['content-type'];
    const connection = await openConnection(
      gateway.url,
      head(line, { ...withKey(), 'content-type': type, 'content-length': 50_000 }),
    );
    expect(statusOf(await trickle(connection))).toBe(408);
  });

  it('gets a 408 while it uploads', async () => {
    const connection = await openConnection(
      gateway.url,
      head('POST /v1/uploads', {
        ...withKey(),
        'content-type': 'multipart/form-data; boundary=b',
        'content-length': 50_000,
      }) + '--b\r\ncontent-disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n',
    );
    expect(statusOf(await trickle(connection))).toBe(408);
  });

  it('gets a 408 before the file of its upload begins', async () => {
    const connection = await openConnection(
      gateway.url,
      head('POST /v1/uploads', {
        ...withKey(),
        'content-type': 'multipart/form-data; boundary=b',
        'content-length': 50_000,
      }),
    );
    expect(statusOf(await trickle(connection))).toBe(408);
  });
});

describe('the budget of bodies', () => {
  let small: TestGateway;
  beforeAll(async () => {
    small = await startGateway({
      REQUEST_BODY_BUDGET_BYTES: '300000',
      REQUEST_MAX_BYTES: '200000',
    });
  });
  afterAll(() => small.close());

  const large = (): string => `{"type":"parse","input":"${'x'.repeat(140_000)}`;

  async function holdBack(key: string): Promise<Awaited<ReturnType<typeof openConnection>>> {
    const body = large();
    const headers = { ...json, authorization: `Bearer ${key}`, 'content-length': body.length + 2 };
    return openConnection(small.url, head('POST /v1/jobs', headers) + body);
  }

  it('answers 503 with Retry-After when it is exhausted, and is free again after the bodies are read', async () => {
    const [one, other, third] = await Promise.all(
      ['one', 'other', 'third'].map((service) => small.newKey(service)),
    );
    const held = [await holdBack(one ?? ''), await holdBack(other ?? '')];
    const submit = (body: string): ReturnType<typeof send> =>
      send(`${small.url}/v1/jobs`, 'POST', body, { ...json, authorization: `Bearer ${third}` });
    const refused = await eventually('the budget is used up', async () => {
      const answer = await submit(`${large()}"}`);
      return answer.status === 503 ? answer : undefined;
    });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await submit('{"type":"parse","input":"https://example.com/a.pdf"}')).status).toBe(202);
    for (const { socket } of held) socket.destroy();
    await eventually('the budget is free', async () =>
      (await submit(`${large()}"}`)).status === 422 ? true : undefined,
    );
  });

  it('gives one service at most half', async () => {
    const key = await small.newKey('greedy');
    const held = await holdBack(key);
    const headers = { ...json, authorization: `Bearer ${key}` };
    await eventually('the service has used up its half', async () =>
      (await send(`${small.url}/v1/jobs`, 'POST', `${large()}"}`, headers)).status === 503
        ? true
        : undefined,
    );
    const other = { ...json, authorization: `Bearer ${await small.newKey('modest')}` };
    expect((await send(`${small.url}/v1/jobs`, 'POST', `${large()}"}`, other)).status).toBe(422);
    held.socket.destroy();
  });
});

it('answers a client that waits for a 100 Continue', async () => {
  const body = '{"type":"parse","input":"https://example.com/a.pdf"}';
  const headers = { ...withKey(), expect: '100-continue', 'content-length': body.length };
  const connection = await openConnection(
    gateway.url,
    head('POST /v1/jobs', { ...headers, connection: 'close' }),
  );
  await eventually('the gateway asks for the body', () =>
    connection.received().startsWith('HTTP/1.1 100 ') ? true : undefined,
  );
  connection.socket.write(body);
  expect(await connection.closed).toContain('HTTP/1.1 202 ');
});

it('reads a body in a thousand parts as one', async () => {
  const body = `{"type":"parse","input":"https://example.com/a.pdf","x":"${'é'.repeat(2000)}"}`;
  const chunks = Array.from(Buffer.from(body), (byte) => `1\r\n${String.fromCharCode(byte)}\r\n`);
  const connection = await openConnection(gateway.url);
  const headers = { ...withKey(), 'transfer-encoding': 'chunked', connection: 'close' };
  connection.socket.write(head('POST /v1/jobs', headers) + chunks.join('') + '0\r\n\r\n', 'latin1');
  expect(statusOf(await connection.closed)).toBe(202);
});

it('refuses and records a callback without a readable content type', async () => {
  const { status } = await send(`${gateway.url}/webhooks/reducto`, 'POST', '{}', {
    'content-type': 'nonsense',
  });
  expect(status).toBe(415);
  const path = '/v1/admin/refusals/summary?cause=wrong_content_type';
  await expect
    .poll(async () => (await gateway.call('GET', path, undefined, admin)).body.total)
    .toBe(1);
});

it.each(['/admin/sign-in', '/%61dmin/sign-in', '/admin/s%69gn-in', '/%61dmin/nothing'])(
  'sends all headers of the console at %s',
  async (path) => {
    const { headers } = await send(gateway.url + path, 'GET');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('x-frame-options')).toBe('DENY');
  },
);

describe('a callback from a refused address', () => {
  let closed: TestGateway;
  let reader: Record<string, string>;
  beforeAll(async () => {
    closed = await startGateway({ WEBHOOK_IP_ALLOWLIST: ELSEWHERE, WEBHOOK_MAX_BYTES: '1000000' });
    reader = { authorization: `Bearer ${await closed.newKey('security', ['admin'])}` };
  });
  afterAll(() => closed.close());

  async function refusals(): Promise<
    { bodyComplete: boolean; bodyBytes: number; verdicts: Record<string, { result: string }> }[]
  > {
    const { body } = await closed.call('GET', '/v1/admin/refusals', undefined, reader);
    return body.refusals;
  }

  it('is recorded with the verdicts of the guards that need no database', async () => {
    const id = await closed.submit();
    const body = {
      status: 'Completed',
      job_id: 'x',
      metadata: { gateway_job_id: id, token: closed.tokens.signJobId(id) },
    };
    expect((await send(`${closed.url}/webhooks/reducto`, 'POST', body)).status).toBe(403);
    const [entry] = await eventually('the refusal is recorded', async () => {
      const list = await refusals();
      return list.length > 0 ? list : undefined;
    });
    expect(entry?.verdicts['secret']?.result).toBe('pass');
    expect(entry?.verdicts['well_formed']?.result).toBe('pass');
  });

  it('is read as a sample and recorded as cut if it is longer', async () => {
    const connection = await openConnection(
      closed.url,
      head('POST /webhooks/reducto', { ...json, 'transfer-encoding': 'chunked' }),
    );
    expect(await flood(connection, CHUNK)).toBeLessThan(16 * MEBIBYTE);
    expect(statusOf(connection.received())).toBe(403);
    const entry = await eventually('the refusal is recorded', async () =>
      (await refusals()).find(({ bodyComplete }) => !bodyComplete),
    );
    expect(entry.bodyBytes).toBe(65_536);
    expect(entry.verdicts['secret']?.result).toBe('not_checked');
  });

  it('is answered although its body does not arrive', async () => {
    const connection = await openConnection(
      closed.url,
      head('POST /webhooks/reducto', { ...json, 'content-length': 500 }),
    );
    expect(statusOf(await connection.closed)).toBe(403);
  });
});
