import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { jsonTexts } from '../support/json-text.js';
import { startRawUpstream, type RawAnswer, type RawUpstream } from '../support/raw-upstream.js';

/* Results byte by byte, from an upstream that answers any bytes. */

let upstream: RawUpstream;
let gateway: TestGateway;

beforeAll(async () => {
  upstream = await startRawUpstream();
  gateway = await startGateway({
    REDUCTO_BASE_URL: upstream.url,
    WEBHOOK_MODE: 'none',
    RESULT_GRACE_SECONDS: '0',
    RESULT_MAX_BYTES: '200000',
    REDUCTO_POLLS_PER_SECOND: '1000',
  });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
beforeEach(() => {
  upstream.answers.other = { status: 404 };
});

/** `@` stands for the upstream id of the job that is polled. */
function completeWith(result: string): void {
  upstream.answers.poll = ({ path }) => ({
    body: `{"status":"Completed","result":${result.replaceAll('@', path.replace('/job/', ''))}}`,
  });
}

/** A parse whose inner result is behind a URL where `answer` is. */
function completeByUrl(answer: RawAnswer): void {
  upstream.answers.other = answer;
  completeWith(
    `{"job_id":"@","result":{"type":"url","url":"${upstream.url}/stored/1","result_id":"r"}}`,
  );
}

async function textOfResult(id: string): Promise<string> {
  const answer = await fetch(`${gateway.url}/v1/jobs/${id}/result`, {
    headers: { authorization: `Bearer ${gateway.key}` },
  });
  expect(answer.status).toBe(200);
  return answer.text();
}

const INNER = '{"type":"full","chunks":[{"content":"one"},{"content":"two"}]}';
const JSON_TYPE = { 'content-type': 'application/json' };
const coded = (coding: string, body: Buffer): RawAnswer => ({
  headers: { ...JSON_TYPE, 'content-encoding': coding },
  body,
});
/** Ends after the inner `}` of `{"content":"one"}`: the codec's own blocks are flushed there. */
function cutAfterInnerBrace(): Buffer {
  const end = INNER.indexOf('}') + 1;
  return gzipSync(INNER.slice(0, end)).subarray(0, -8);
}

describe('an incomplete result behind a URL', () => {
  it.each<[string, RawAnswer]>([
    ['gzip that is cut after an inner brace', coded('gzip', cutAfterInnerBrace())],
    ['gzip without its trailer', coded('gzip', gzipSync(INNER).subarray(0, -8))],
    ['gzip with half of its trailer', coded('gzip', gzipSync(INNER).subarray(0, -3))],
    ['gzip of nothing', coded('gzip', Buffer.alloc(0))],
    [
      'gzip of which the second member is cut',
      coded(
        'gzip',
        Buffer.concat([gzipSync(INNER.slice(0, -1)), gzipSync(INNER.slice(-1)).subarray(0, -8)]),
      ),
    ],
    [
      'two gzip members that hold one document each',
      coded('gzip', Buffer.concat([gzipSync('{"a":1}'), gzipSync('{"b":2}')])),
    ],
    [
      'gzip and something after it',
      coded('gzip', Buffer.concat([gzipSync(INNER), Buffer.from('more')])),
    ],
    ['brotli that is cut', coded('br', brotliCompressSync(INNER).subarray(0, -2))],
    ['deflate that is cut', coded('deflate', deflateSync(INNER).subarray(0, -4))],
    ['gzip that is no gzip', coded('gzip', Buffer.from(INNER))],
    ['a coding that nobody knows', coded('snappy', gzipSync(INNER))],
    [
      'fewer bytes than its Content-Length',
      {
        headers: { ...JSON_TYPE, 'content-length': String(INNER.length + 5) },
        body: INNER,
        breakOff: true,
      },
    ],
    [
      'a Content-Length that ends within it',
      {
        headers: { ...JSON_TYPE, 'content-length': '28', connection: 'close' },
        body: INNER.slice(0, 28),
      },
    ],
    [
      'chunks without the last one',
      { body: [INNER.slice(0, 30), INNER.slice(30)], breakOff: true },
    ],
    [
      'a connection that closes within it',
      {
        headers: { ...JSON_TYPE, connection: 'close', 'transfer-encoding': 'identity' },
        body: INNER.slice(0, 43),
        breakOff: true,
      },
    ],
    ['NaN', { body: '{"confidence":NaN}' }],
    ['two documents', { body: '{"a":1}{"b":2}' }],
    ['a document and more', { body: '{"a":1},"b":{"c":1}' }],
    ['bytes that are not UTF-8', { body: Buffer.from('{"a":"\xff"}', 'latin1') }],
    ['nothing', { body: '' }],
    ['a page', { headers: { 'content-type': 'text/html' }, body: '<html>' }],
    ['a part of it, as 206', { status: 206, body: INNER }],
    ['more than RESULT_MAX_BYTES', { body: JSON.stringify({ a: 'x'.repeat(200_000) }) }],
    [
      'more than RESULT_MAX_BYTES once unpacked',
      coded('gzip', gzipSync(JSON.stringify({ a: ' '.repeat(2e6) }))),
    ],
    ['as many codings as somebody likes', coded('gzip, '.repeat(50) + 'gzip', gzipSync(INNER))],
  ])('fails the job: %s', async (_, answer) => {
    completeByUrl(answer);
    const id = await gateway.submit();
    expect(await gateway.ended(id)).toMatchObject({
      status: 'failed',
      error: { code: 'result_unavailable' },
    });
    const { rows } = await gateway.pool.query(
      `SELECT count(*)::int AS left FROM result_chunks WHERE content_id NOT IN (SELECT content_id FROM job_results)`,
    );
    expect(rows).toEqual([{ left: 0 }]);
  });

  it('fetches an incomplete result again within RESULT_GRACE_SECONDS', async () => {
    const patient = await startGateway({
      REDUCTO_BASE_URL: upstream.url,
      WEBHOOK_MODE: 'none',
      RESULT_GRACE_SECONDS: '60',
    });
    try {
      let served = 0;
      completeByUrl({});
      upstream.answers.other = () =>
        ++served === 1
          ? coded('gzip', gzipSync(INNER).subarray(0, -8))
          : coded('gzip', gzipSync(INNER));
      const id = await patient.submit();
      expect(await patient.ended(id)).toMatchObject({ status: 'completed' });
      expect(served).toBe(2);
    } finally {
      await patient.close();
    }
  });

  it('fails a job whose downloads together exceed RESULT_TIMEOUT_SECONDS', async () => {
    const other = await startGateway({
      REDUCTO_BASE_URL: upstream.url,
      WEBHOOK_MODE: 'none',
      RESULT_GRACE_SECONDS: '0',
      RESULT_TIMEOUT_SECONDS: '1',
    });
    try {
      const held = Promise.withResolvers<RawAnswer>();
      upstream.answers.other = ({ path }) => (path === '/2' ? held.promise : { body: '[]' });
      const at = (path: string): string =>
        `{"type":"url","url":"${upstream.url}/${path}","result_id":"r"}`;
      completeWith(`{"result":${at('1')},"citations":${at('2')}}`);
      const { error } = await other.ended(await other.submit({ type: 'extract', ...SCHEMA }));
      expect(error).toMatchObject({ code: 'result_unavailable' });
      expect(error.message).toContain('timed out');
      held.resolve({});
    } finally {
      await other.close();
    }
  });

  it('names RESULT_MAX_BYTES if a result is larger', async () => {
    completeByUrl({ body: JSON.stringify({ a: 'x'.repeat(200_000) }) });
    const { error } = await gateway.ended(await gateway.submit());
    expect(error.message).toContain('larger than RESULT_MAX_BYTES (200000)');
  });

  it('says where the JSON ends without quoting it', async () => {
    completeByUrl({ body: '{"secret":tru' });
    const { error } = await gateway.ended(await gateway.submit());
    expect(error.message).toContain('did not return complete JSON');
    expect(error.message).not.toContain('secret');
  });
});

it('fails a job whose inline result is larger than RESULT_MAX_BYTES', async () => {
  completeWith(`{"result":"${'x'.repeat(200_000)}"}`);
  expect(await gateway.ended(await gateway.submit())).toMatchObject({
    status: 'failed',
    error: { code: 'result_unavailable' },
  });
});

describe('a result comes back byte for byte', () => {
  const RAW_RESULT =
    '{"b":1.10,"2":1e400,"1":9007199254740993, "b":"\\u0041\\/","__proto__":{"constructor":1} }';

  it('inline, apart from the id', async () => {
    completeWith(`{ "result":${RAW_RESULT} ,"job_id" : "@" }`);
    const id = await gateway.submit();
    await gateway.ended(id);
    expect(await textOfResult(id)).toBe(`{ "result":${RAW_RESULT} ,"job_id" : "${id}" }`);
  });

  it.each<[string, RawAnswer]>([
    ['plain', { body: `${RAW_RESULT}\n` }],
    ['in pieces', { body: `${RAW_RESULT}\n`.split('') }],
    ['gzip', coded('gzip', gzipSync(`${RAW_RESULT}\n`))],
    [
      'gzip in two members',
      coded(
        'gzip',
        Buffer.concat([gzipSync(RAW_RESULT.slice(0, 9)), gzipSync(`${RAW_RESULT.slice(9)}\n`)]),
      ),
    ],
    ['brotli', coded('br', brotliCompressSync(`${RAW_RESULT}\n`))],
    ['deflate', coded('deflate', deflateSync(`${RAW_RESULT}\n`))],
  ])('behind a URL, %s', async (_, answer) => {
    completeByUrl(answer);
    const id = await gateway.submit();
    await gateway.ended(id);
    expect(await textOfResult(id)).toBe(`{"job_id":"${id}","result":${RAW_RESULT}\n}`);
  });

  it('returns any result byte by byte, inline and behind a URL', async () => {
    await fc.assert(
      fc.asyncProperty(jsonTexts, fc.boolean(), async (text, byUrl) => {
        const inner = Buffer.from(byUrl && !/^[[{]/.test(text) ? `{"value":${text}}` : text);
        if (byUrl) completeByUrl({ body: inner });
        else completeWith(`{"job_id":"@","result":${inner.toString().replaceAll('@', '_')}}`);
        const id = await gateway.submit({ type: byUrl ? 'parse' : 'extract', ...SCHEMA });
        await gateway.ended(id);
        const bare = byUrl && inner[0] === 0x5b;
        const stored = byUrl ? inner.toString() : inner.toString().replaceAll('@', '_');
        expect(await textOfResult(id)).toBe(
          `{"job_id":"${id}","result":${bare ? `{"type":"full","chunks":${stored}}` : stored}}`,
        );
      }),
      { numRuns: 25 },
    );
  });
});

const SCHEMA = { instructions: { schema: { type: 'object' } } };

it('reads and refers to a job by the id in its result', async () => {
  completeWith('{"job_id":"@","result":{}}');
  const id = await gateway.submit();
  await gateway.ended(id);
  const { job_id: read } = JSON.parse(await textOfResult(id));
  expect((await gateway.call('GET', `/v1/jobs/${read}`)).body.id).toBe(id);
  const next = await gateway.submit({ type: 'extract', input: `jobid://${read}`, ...SCHEMA });
  expect((await gateway.ended(next)).status).toBe('completed');
});
