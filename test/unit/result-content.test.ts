import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resultContent } from '../../src/jobs/results/result-content.js';
import { jsonTexts, jsonWhitespace } from '../support/json-text.js';
import type { RemotePart, ResultDocument } from '../../src/jobs/results/result-document.js';
import { DOWNLOADED, EXTRACTED } from '../../src/jobs/results/result-paths.js';
import { ResultDownloadError } from '../../src/reducto/result-download-error.js';

const PARSE: RemotePart = {
  url: 'u',
  aroundArray: ['{"type":"full","chunks":', '}'],
  watched: DOWNLOADED,
};
const PLAIN: RemotePart = { url: 'u', aroundArray: ['', ''], watched: EXTRACTED };
const IDS = { own: '01a2-own', upstream: 'job_up' };
const NO_LIMIT = 1e9;

/** What comes out where the URL holds `body`, delivered in pieces of `size` bytes. */
async function through(
  part: RemotePart,
  body: string | Buffer,
  size = 1_000_000,
  maxBytes = NO_LIMIT,
): Promise<string> {
  const bytes = Buffer.from(body);
  const download = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  };
  const out: Buffer[] = [];
  for await (const piece of resultContent(
    [Buffer.from('{"result":'), part, Buffer.from('}')],
    download,
    IDS,
    maxBytes,
  ))
    out.push(piece);
  return Buffer.concat(out).toString();
}

test('joins texts and parts in order and downloads each part when it is needed', async () => {
  const asked: string[] = [];
  const document: ResultDocument = [
    Buffer.from('['),
    { ...PLAIN, url: 'a' },
    Buffer.from(','),
    { ...PLAIN, url: 'b' },
    Buffer.from(']'),
  ];
  const download = async function* (url: string): AsyncGenerator<Buffer> {
    asked.push(url);
    yield Buffer.from(`{"from":"${url}"}`);
  };
  const content = resultContent(document, download, IDS, NO_LIMIT);
  await content.next();
  expect(asked).toEqual([]);
  const rest: string[] = [];
  for await (const piece of content) rest.push(piece.toString());
  expect(JSON.parse(`[${rest.join('')}`)).toEqual([{ from: 'a' }, { from: 'b' }]);
  expect(asked).toEqual(['a', 'b']);
});

describe.each([1, 2, 3, 1000])('in pieces of %d bytes', (size) => {
  test('passes an object through unchanged', async () => {
    const body = '{"chunks":[{"content":"Grüße 𝄞"}]}';
    expect(await through(PARSE, body, size)).toBe(`{"result":${body}}`);
  });

  test('wraps a bare array only in a parse', async () => {
    expect(await through(PARSE, '[{"a":"é"}]', size)).toBe(
      '{"result":{"type":"full","chunks":[{"a":"é"}]}}',
    );
    expect(await through(PLAIN, '[{"a":"é"}]', size)).toBe('{"result":[{"a":"é"}]}');
  });

  test('keeps surrounding whitespace', async () => {
    expect(await through(PLAIN, '\r\n\t  [1, 2]  \n\n', size)).toBe(
      '{"result":\r\n\t  [1, 2]  \n\n}',
    );
    expect(await through(PARSE, ' [1]\n', size)).toBe('{"result": {"type":"full","chunks":[1]\n}}');
  });

  test('replaces the upstream id of the job in a parse and not in an extraction', async () => {
    const body = '{"job_id" : "job_up","chunks":[{"job_id":"job_up"}]}';
    expect(await through(PARSE, body, size)).toBe(
      `{"result":${body.replace('job_up', '01a2-own')}}`,
    );
    expect(await through(PLAIN, body, size)).toBe(`{"result":${body}}`);
  });

  test.each(['"job_other"', 'null', '7', '{"job_id":"job_up"}', '["job_up"]', '"job_u"'])(
    'a job_id that is not that of the job stays: %s',
    async (value) => {
      const body = `{"job_id":${value},"a":"job_up"}`;
      expect(await through(PARSE, body, size)).toBe(`{"result":${body}}`);
    },
  );

  test('drops a byte order mark', async () => {
    const out = await through(PARSE, '\uFEFF[1]', size);
    expect(JSON.parse(out)).toEqual({ result: { type: 'full', chunks: [1] } });
  });

  test.each([
    ['<!DOCTYPE html><html><body>[1]</body></html>', 'a page'],
    ['<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', 'an error of the storage'],
    ['not found', 'text'],
    ['"text"', 'a JSON text'],
    ['null', 'JSON null'],
    ['12', 'a number'],
    ['\u001f\u008b', 'something compressed'],
  ])('%s is refused', async (body) => {
    await expect(through(PARSE, body, size)).rejects.toThrow(ResultDownloadError);
    await expect(through(PLAIN, body, size)).rejects.toThrow(ResultDownloadError);
  });

  test.each([
    '',
    '   \n',
    '[',
    '{',
    '{"a":[1]',
    '[{"a":1}',
    '[{"a":1},',
    '{"a":"}"',
    '[1}',
    '{"a":1]',
  ])('what is cut off is refused: %j', async (body) => {
    await expect(through(PARSE, body, size)).rejects.toThrow(ResultDownloadError);
  });

  test.each([
    '{"a":1}<!-- cached -->',
    '{"a":1}{"b":2}',
    '{"confidence":NaN}',
    '{"a":1},"b":{"c":2}',
    '{"a":{"b":1}',
    '{"a":"\u0001"}',
    Buffer.from('7b2261223a22ff227d', 'hex'),
    Buffer.from('efbb', 'hex'),
  ])('what is not one whole JSON value is refused: %j', async (body) => {
    await expect(through(PARSE, body, size)).rejects.toThrow(ResultDownloadError);
    await expect(through(PLAIN, body, size)).rejects.toThrow(ResultDownloadError);
  });
});

test('passes on an error of the download without closing wrappers', async () => {
  const broken = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from('[1]');
    throw new ResultDownloadError('broke off');
  };
  const out: string[] = [];
  const read = async (): Promise<void> => {
    for await (const piece of resultContent(
      [Buffer.from('{'), PARSE, Buffer.from('}')],
      broken,
      IDS,
      NO_LIMIT,
    ))
      out.push(piece.toString());
  };
  await expect(read()).rejects.toThrow('broke off');
  expect(out.join('')).toBe('{{"type":"full","chunks":[1]');
});

test('passes a value longer than an id through unchanged', async () => {
  const body = `{"job_id":"${'job_up'.repeat(50_000)}","b":"${'x'.repeat(70_000)}"}`;
  expect(await through(PARSE, body, 50_000)).toBe(`{"result":${body}}`);
});

test('rejects a document over the limit and names the limit', async () => {
  const body = `{"a":"${'x'.repeat(1000)}"}`;
  const whole = body.length + '{"result":}'.length;
  await expect(through(PLAIN, body, 100, whole)).resolves.toHaveLength(whole);
  await expect(through(PLAIN, body, 100, whole - 1)).rejects.toThrow(
    `larger than RESULT_MAX_BYTES (${whole - 1})`,
  );
});

test('property: passes any object or array through byte by byte at any chunk boundary', async () => {
  await fc.assert(
    fc.asyncProperty(
      jsonTexts.filter((text) => /^[[{]/.test(text)),
      fc.integer({ min: 1, max: 7 }),
      jsonWhitespace,
      async (text, size, space) => {
        const body = Buffer.from(space + text + space);
        expect(await through(PLAIN, body, size)).toBe(`{"result":${body.toString()}}`);
      },
    ),
    { numRuns: 100 },
  );
});
