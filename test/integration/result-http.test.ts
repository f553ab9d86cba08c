import { request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.js';

/* How results and lists are served: coding, HEAD, ranges. */

let upstream: RawUpstream;
let gateway: TestGateway;
let path: string;
let whole: Buffer;
let size: number;
let tag: string;

beforeAll(async () => {
  upstream = await startRawUpstream();
  gateway = await startGateway({ REDUCTO_BASE_URL: upstream.url, WEBHOOK_MODE: 'none' });
  const pages = Array.from(
    { length: 30_000 },
    (_, page) => `{"page":${page},"text":"ü${page * 7}"}`,
  );
  upstream.answers.poll = {
    body: `{"status":"Completed","result":{"result":[${pages.join(',')}]}}`,
  };
  const id = await gateway.submit();
  await gateway.ended(id);
  path = `/v1/jobs/${id}/result`;
  const answer = await ask({});
  whole = answer.body;
  size = whole.length;
  tag = String(answer.headers.etag);
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

interface Reply {
  readonly status: number | undefined;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

/** Without the headers that a fetch adds. */
function ask(headers: Record<string, string>, method = 'GET', at = path): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const all = { authorization: `Bearer ${gateway.key}`, ...headers };
    request(gateway.url + at, { method, headers: all }, (response) => {
      const { statusCode: status, headers: got } = response;
      buffer(response).then((body) => resolve({ status, headers: got, body }), reject);
    })
      .on('error', reject)
      .end();
  });
}

const headersWithoutDate = ({ headers }: Reply): Reply['headers'] => {
  const { date: _date, 'x-request-id': _id, ...rest } = headers;
  return rest;
};

describe('the coding of a result', () => {
  it.each([
    'gzip',
    'GZIP',
    '*',
    'gzip;q=0.001, identity;q=0',
    'identity;q=0.1, gzip;q=0.9',
    'br;q=1.0, gzip;q=0.8, *;q=0.1',
    'identity;q=0, *',
  ])('is gzip for Accept-Encoding: %s', async (accept) => {
    const answer = await ask({ 'accept-encoding': accept });
    expect(answer.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
    expect(gunzipSync(answer.body).equals(whole)).toBe(true);
    expect(answer.headers['content-length']).toBe(String(answer.body.length));
  });

  it.each([
    '',
    'identity',
    'br',
    'gzip;q=0',
    'gzip;q=0.0',
    'gzip; q=0.000',
    '*;q=0, identity',
    'gzip;q=0, *',
    'gzip;q=0.1, identity;q=0.9',
  ])('is none for Accept-Encoding: %j', async (accept) => {
    const answer = await ask({ 'accept-encoding': accept });
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.headers['vary']).toBe('Accept-Encoding');
    expect(answer.body.equals(whole)).toBe(true);
  });

  it.each(['*;q=0', 'identity;q=0', 'br, *;q=0', 'gzip;q=0, identity;q=0'])(
    'is refused with 406 where none is acceptable: %s',
    async (accept) => {
      const answer = await ask({ 'accept-encoding': accept });
      expect(answer.status).toBe(406);
      expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'not_acceptable' });
    },
  );
});

describe('HEAD of a result', () => {
  it.each(['identity', 'gzip'])('has the headers of GET for %s, and no body', async (accept) => {
    const got = await ask({ 'accept-encoding': accept });
    const head = await ask({ 'accept-encoding': accept }, 'HEAD');
    expect(head.status).toBe(200);
    expect(headersWithoutDate(head)).toEqual(headersWithoutDate(got));
    expect(Number(head.headers['content-length'])).toBe(got.body.length);
    expect(head.body).toHaveLength(0);
  });

  it('ignores Range', async () => {
    const head = await ask({ range: 'bytes=0-9' }, 'HEAD');
    expect([head.status, head.headers['content-length']]).toEqual([200, String(size)]);
  });

  it('is 304 for a known tag, without a length of 0', async () => {
    const head = await ask({ 'if-none-match': tag }, 'HEAD');
    expect([head.status, head.headers['content-length']]).toEqual([304, undefined]);
  });

  it('answers HEAD with 404 if GET does', async () => {
    const head = await ask({}, 'HEAD', path.replace(/[0-9a-f]{4}\/result/, '0000/result'));
    expect(head.status).toBe(404);
  });
});

describe('a range of a result', () => {
  it.each<[string, (bytes: number) => [number, number]]>([
    ['bytes=0-0', () => [0, 0]],
    ['bytes=0-99', () => [0, 99]],
    ['BYTES=5-9', () => [5, 9]],
    ['bytes=100000-', (bytes) => [100_000, bytes - 1]],
    ['bytes=16383-16384', () => [16_383, 16_384]],
    ['bytes=-1', (bytes) => [bytes - 1, bytes - 1]],
    ['bytes=-500', (bytes) => [bytes - 500, bytes - 1]],
    ['bytes=-99999999999999999999', (bytes) => [0, bytes - 1]],
    ['bytes=10-99999999999999999999', (bytes) => [10, bytes - 1]],
  ])('%s is answered with 206 and these bytes', async (range, expected) => {
    const [start, end] = expected(size);
    const answer = await ask({ range });
    expect(answer.status).toBe(206);
    expect(answer.headers).toMatchObject({
      'content-range': `bytes ${start}-${end}/${size}`,
      'content-length': String(end - start + 1),
      'accept-ranges': 'bytes',
      etag: tag,
    });
    expect(answer.body.equals(whole.subarray(start, end + 1))).toBe(true);
  });

  it('serves a range of the decoded bytes if gzip is accepted too', async () => {
    const answer = await ask({ range: 'bytes=3-7', 'accept-encoding': 'gzip, br' });
    expect(answer.status).toBe(206);
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.body.equals(whole.subarray(3, 8))).toBe(true);
  });

  it('ignores a range if only gzip is acceptable', async () => {
    const answer = await ask({ range: 'bytes=3-7', 'accept-encoding': 'gzip, identity;q=0' });
    expect([answer.status, answer.headers['content-encoding']]).toEqual([200, 'gzip']);
  });

  it.each(['bytes=99999999999-', 'bytes=-0'])('%s is answered with 416', async (range) => {
    const answer = await ask({ range });
    expect(answer.status).toBe(416);
    expect(answer.headers['content-range']).toBe(`bytes */${size}`);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'range_not_satisfiable' });
  });

  it('that begins right after the last byte is answered with 416', async () => {
    expect((await ask({ range: `bytes=${size}-` })).status).toBe(416);
    expect((await ask({ range: `bytes=${size - 1}-` })).status).toBe(206);
  });

  it.each(['bytes=', 'bytes=-', 'bytes=9-3', 'bytes=a-b', 'items=0-1', 'bytes=0-1,5-6', '0-1'])(
    '%s is ignored',
    async (range) => {
      const answer = await ask({ range });
      expect([answer.status, answer.body.length]).toEqual([200, size]);
    },
  );

  it('serves a range if If-Range names the result', async () => {
    expect((await ask({ range: 'bytes=0-1', 'if-range': tag })).status).toBe(206);
  });

  it.each<[string, () => string]>([
    ['another result', () => '"another"'],
    ['a weak tag', () => `W/${tag}`],
    ['the compressed form', () => tag.replace(/"$/, '-gzip"')],
    ['a date', () => new Date().toUTCString()],
  ])('is ignored where If-Range names %s', async (_, condition) => {
    const answer = await ask({ range: 'bytes=0-1', 'if-range': condition() });
    expect([answer.status, answer.body.length]).toEqual([200, size]);
  });

  it('evaluates If-None-Match before a range', async () => {
    expect((await ask({ range: 'bytes=0-1', 'if-none-match': tag })).status).toBe(304);
  });
});

describe('a JSON answer', () => {
  const list = '/v1/jobs?limit=50';

  beforeAll(async () => {
    for (let made = 0; made < 10; made++) await gateway.submit();
  });

  it('compresses a JSON answer over a kilobyte for a client that prefers gzip', async () => {
    const plain = await ask({}, 'GET', list);
    const answer = await ask({ 'accept-encoding': 'gzip, deflate' }, 'GET', list);
    expect(answer.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
    expect(answer.headers['content-length']).toBe(String(answer.body.length));
    expect(JSON.parse(gunzipSync(answer.body).toString()).jobs).toHaveLength(
      JSON.parse(plain.body.toString()).jobs.length,
    );
    expect(answer.body.length).toBeLessThan(plain.body.length / 2);
  });

  it('is not compressed with gzip;q=0', async () => {
    const answer = await ask({ 'accept-encoding': 'gzip;q=0, *' }, 'GET', list);
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.headers['vary']).toBe('Accept-Encoding');
  });

  it('of a few bytes is not compressed', async () => {
    const answer = await ask({ 'accept-encoding': 'gzip' }, 'GET', path.replace('/result', ''));
    expect(answer.headers['content-encoding']).toBeUndefined();
  });

  it('has the same headers for HEAD', async () => {
    const ended = `${list}&status=completed`;
    const got = await ask({ 'accept-encoding': 'gzip' }, 'GET', ended);
    const head = await ask({ 'accept-encoding': 'gzip' }, 'HEAD', ended);
    expect(headersWithoutDate(head)).toEqual(headersWithoutDate(got));
  });
});
