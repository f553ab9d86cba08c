import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contentOf } from '../../src/jobs/result-content.js';
import type { RemotePart, ResultDocument } from '../../src/jobs/result-document.js';
import { ResultDownloadError } from '../../src/reducto/result-download-error.js';

const PARSE: RemotePart = { url: 'u', aroundArray: ['{"type":"full","chunks":', '}'] };
const PLAIN: RemotePart = { url: 'u', aroundArray: ['', ''] };

/** What comes out where the URL holds `body`, delivered in pieces of `size` bytes. */
async function through(part: RemotePart, body: string | Buffer, size = 1_000_000): Promise<string> {
  const bytes = Buffer.from(body);
  const download = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  };
  const out: Buffer[] = [];
  for await (const piece of contentOf(['{"result":', part, '}'], download)) out.push(piece);
  return Buffer.concat(out).toString();
}

test('puts texts and parts together in order, and downloads each when it is its turn', async () => {
  const asked: string[] = [];
  const document: ResultDocument = ['[', { ...PLAIN, url: 'a' }, ',', { ...PLAIN, url: 'b' }, ']'];
  const download = async function* (url: string): AsyncGenerator<Buffer> {
    asked.push(url);
    yield Buffer.from(`{"from":"${url}"}`);
  };
  const content = contentOf(document, download);
  await content.next();
  expect(asked).toEqual([]);
  const rest: string[] = [];
  for await (const piece of content) rest.push(piece.toString());
  expect(JSON.parse(`[${rest.join('')}`)).toEqual([{ from: 'a' }, { from: 'b' }]);
  expect(asked).toEqual(['a', 'b']);
});

describe.each([1, 2, 3, 1000])('in pieces of %d bytes', (size) => {
  test('an object goes through as it is, byte for byte', async () => {
    const body = '{"chunks":[{"content":"Grüße 𝄞"}]}';
    expect(await through(PARSE, body, size)).toBe(`{"result":${body}}`);
  });

  test('a bare array gets its surroundings, in a parse only', async () => {
    expect(await through(PARSE, '[{"a":"é"}]', size)).toBe(
      '{"result":{"type":"full","chunks":[{"a":"é"}]}}',
    );
    expect(await through(PLAIN, '[{"a":"é"}]', size)).toBe('{"result":[{"a":"é"}]}');
  });

  test('white space around does not matter', async () => {
    const out = await through(PARSE, '\r\n\t  [1, 2]  \n\n', size);
    expect(JSON.parse(out)).toEqual({ result: { type: 'full', chunks: [1, 2] } });
  });

  test('a byte order mark is dropped', async () => {
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
    await expect(through(PARSE, body, size)).rejects.toThrow('not JSON');
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
    await expect(through(PARSE, body, size)).rejects.toThrow('incomplete');
  });

  test('something behind the end is refused', async () => {
    await expect(through(PLAIN, '{"a":1}<!-- cached -->', size)).rejects.toThrow(
      ResultDownloadError,
    );
  });
});

test('an error of the download comes through, and nothing is closed after it', async () => {
  const broken = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from('[1]');
    throw new ResultDownloadError('broke off');
  };
  const out: string[] = [];
  const read = async (): Promise<void> => {
    for await (const piece of contentOf(['{', PARSE, '}'], broken)) out.push(piece.toString());
  };
  await expect(read()).rejects.toThrow('broke off');
  expect(out.join('')).toBe('{{"type":"full","chunks":[1]');
});

test('property: any object or array, cut anywhere, is the same JSON as inline', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue())),
      fc.integer({ min: 1, max: 7 }),
      fc.constantFrom('', ' ', '\n\n'),
      async (value, size, space) => {
        const text = JSON.stringify(value);
        const out: unknown = JSON.parse(await through(PLAIN, space + text + space, size));
        expect(out).toEqual({ result: JSON.parse(text) as unknown });
      },
    ),
    { numRuns: 60 },
  );
});
