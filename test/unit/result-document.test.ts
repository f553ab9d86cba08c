import { describe, expect, test } from 'vitest';
import { JOB_TYPES, type JobType } from '../../src/jobs/job-type.js';
import { contentOf } from '../../src/jobs/result-content.js';
import { resultDocument } from '../../src/jobs/result-document.js';

const URL_1 = 'https://cdn.example.com/1?sig=x';
const REMOTE = { type: 'url', url: URL_1, result_id: 'r1' };

const urlsOf = (type: JobType, result: unknown): string[] =>
  resultDocument(type, result).flatMap((part) => (typeof part === 'string' ? [] : [part.url]));

/** The document as a service gets it, with `bodies` behind the URLs. */
async function filled(
  type: JobType,
  result: unknown,
  bodies: Record<string, string> = {},
): Promise<unknown> {
  const parts: Buffer[] = [];
  const download = async function* (url: string): AsyncGenerator<Buffer> {
    yield Buffer.from(bodies[url] ?? '');
  };
  for await (const part of contentOf(resultDocument(type, result), download)) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString()) as unknown;
}

const FULL = { type: 'full', chunks: [{ content: 'Grüße "quoted" \\ \u2028 𝄞', blocks: [] }] };

describe('an inline result', () => {
  test.each(JOB_TYPES)('of %s comes out as it went in', async (type) => {
    const result = {
      job_id: 'j',
      usage: { num_pages: 1.5, credits: null },
      result: { ...FULL, nested: [[], {}, 0, -1.5e-7, '', false] },
      pdf_url: 'https://cdn.example.com/file.pdf',
    };
    expect(urlsOf(type, result)).toEqual([]);
    expect(await filled(type, result)).toEqual(result);
  });

  test.each([
    null,
    [],
    'text',
    7,
    {},
    { result: null },
    { result: 'text' },
    { result: [] },
    { other: REMOTE },
  ])('%j has no gaps, whatever the type', async (result) => {
    for (const type of JOB_TYPES) {
      expect(urlsOf(type, result)).toEqual([]);
      expect(await filled(type, result)).toEqual(result);
    }
  });

  test('of edit, which has its URL beside, not in, a result stays as it is', async () => {
    const result = {
      document_url: 'https://cdn.example.com/edited.pdf',
      form_schema: null,
      usage: null,
    };
    expect(await filled('edit', result)).toEqual(result);
  });

  test('keeps a key named __proto__ and text that looks like a gap', async () => {
    const result: unknown = JSON.parse(
      '{"__proto__":{"a":1},"result":{"a":"00000000-0000-4000-8000-000000000000:0","__proto__":2}}',
    );
    expect(JSON.stringify(await filled('extract', result))).toBe(JSON.stringify(result));
  });

  test('keeps lone surrogates readable as JSON', async () => {
    expect(await filled('parse', { result: { text: '\uD800' } })).toEqual({
      result: { text: '\uD800' },
    });
  });
});

describe('a result behind a URL', () => {
  test.each(JOB_TYPES.filter((type) => type !== 'pipeline'))(
    'of %s is filled in where the inner result stands, and leaves the rest',
    async (type) => {
      const result = { job_id: 'j', result: REMOTE, usage: { num_pages: 9 } };
      expect(urlsOf(type, result)).toEqual([URL_1]);
      const inner = { type: 'full', chunks: [1], a: '"' };
      expect(await filled(type, result, { [URL_1]: JSON.stringify(inner) })).toEqual({
        ...result,
        result: inner,
      });
    },
  );

  test('of parse has the inline shape also where the URL holds the bare chunks', async () => {
    const result = { job_id: 'j', result: { type: 'url', url: URL_1 } };
    const filledIn = await filled('parse', result, { [URL_1]: JSON.stringify(FULL.chunks) });
    expect(filledIn).toEqual({ job_id: 'j', result: FULL });
  });

  test('of extract stays an array where it is one', async () => {
    const filledIn = await filled('extract', { result: REMOTE }, { [URL_1]: '[{"total":1}]' });
    expect(filledIn).toEqual({ result: [{ total: 1 }] });
  });

  test('of a pipeline is filled in per step, bare or as a whole answer', async () => {
    const at = (name: string) => ({ type: 'url', url: `https://cdn.example.com/${name}` });
    const result = {
      job_id: 'j',
      result: {
        parse: { job_id: 'p', result: at('parse') },
        extract: [{ result: at('one') }, at('two'), { result: [{ a: 1 }] }],
        split: at('split'),
        edit: null,
      },
    };
    const bodies = {
      'https://cdn.example.com/parse': '[{"content":"x"}]',
      'https://cdn.example.com/one': '[1]',
      'https://cdn.example.com/two': '[2]',
      'https://cdn.example.com/split': '{"splits":[]}',
    };
    expect(await filled('pipeline', result, bodies)).toEqual({
      job_id: 'j',
      result: {
        parse: { job_id: 'p', result: { type: 'full', chunks: [{ content: 'x' }] } },
        extract: [{ result: [1] }, [2], { result: [{ a: 1 }] }],
        split: { splits: [] },
        edit: null,
      },
    });
  });

  test('may hold anything that looks like a gap of its own', async () => {
    const body = JSON.stringify({ a: REMOTE, b: '"x:0"' });
    expect(await filled('extract', { result: REMOTE }, { [URL_1]: body })).toEqual({
      result: { a: REMOTE, b: '"x:0"' },
    });
  });
});

describe('content of a document that looks like a URL result is not followed', () => {
  const lure = { type: 'url', url: 'http://169.254.169.254/' };

  test.each<[string, JobType, unknown]>([
    ['in a field of an extraction', 'extract', { result: { link: lure } }],
    ['in a list of extractions', 'extract', { result: [lure, { link: lure }] }],
    ['deeper', 'extract', { result: { result: lure } }],
    ['in the citations beside', 'extract', { result: {}, citations: lure }],
    ['in a block of a parse', 'parse', { result: { type: 'full', chunks: [lure] } }],
    ['in place of the whole answer', 'parse', lure],
    ['in a split', 'split', { result: { section_mapping: lure, splits: [lure] } }],
    ['with further fields', 'extract', { result: { ...lure, amount: 3 } }],
    ['with a url that is no text', 'extract', { result: { type: 'url', url: [lure.url] } }],
    ['with another type', 'extract', { result: { ...lure, type: 'URL' } }],
    ['in the pipeline answer beside', 'pipeline', { result: {}, usage: lure }],
    [
      'in a field of a pipeline step',
      'pipeline',
      { result: { extract: { result: { link: lure } } } },
    ],
    ['in a list within a pipeline step', 'pipeline', { result: { extract: [{ result: [lure] }] } }],
  ])('%s', (_where, type, result) => {
    expect(urlsOf(type, result)).toEqual([]);
  });
});
