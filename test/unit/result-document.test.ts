import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JOB_TYPES, type JobType } from '../../src/jobs/job-type.js';
import { resultContent } from '../../src/jobs/results/result-content.js';
import { MAX_SCAN_DEPTH } from '../../src/platform/json/json-scanner.js';
import { ResultDownloadError } from '../../src/reducto/result-download-error.js';
import { resultDocument } from '../../src/jobs/results/result-document.js';
import { jsonTexts } from '../support/json-text.js';

const URL_1 = 'https://cdn.example.com/1?sig=x';
const REMOTE = { type: 'url', url: URL_1, result_id: 'r1' };

const IDS = { own: '01a20824-0000-7000-8000-000000000001', upstream: 'job_up' };

async function urlsOf(type: JobType, result: unknown): Promise<string[]> {
  const document = await resultDocument(type, Buffer.from(JSON.stringify(result)), IDS);
  return document.flatMap((part) => ('url' in part ? [part.url] : []));
}

/** The document as a service gets it, with `bodies` behind the URLs. */
async function textOf(
  type: JobType,
  result: string,
  bodies: Record<string, string> = {},
): Promise<string> {
  const parts: Buffer[] = [];
  const download = async function* (url: string): AsyncGenerator<Buffer> {
    yield Buffer.from(bodies[url] ?? '');
  };
  const document = await resultDocument(type, Buffer.from(result), IDS);
  for await (const part of resultContent(document, download, IDS, 1e9)) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function filled(
  type: JobType,
  result: unknown,
  bodies: Record<string, string> = {},
): Promise<unknown> {
  return JSON.parse(await textOf(type, JSON.stringify(result), bodies)) as unknown;
}

const FULL = { type: 'full', chunks: [{ content: 'Grüße "quoted" \\ \u2028 𝄞', blocks: [] }] };

describe('an inline result', () => {
  test.each(JOB_TYPES)('returns an inline result of %s unchanged', async (type) => {
    const result = {
      job_id: 'j',
      usage: { num_pages: 1.5, credits: null },
      result: { ...FULL, nested: [[], {}, 0, -1.5e-7, '', false] },
      pdf_url: 'https://cdn.example.com/file.pdf',
    };
    expect(await urlsOf(type, result)).toEqual([]);
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
      expect(await urlsOf(type, result)).toEqual([]);
      expect(await filled(type, result)).toEqual(result);
    }
  });

  test('keeps an edit result, whose URL is next to the result', async () => {
    const result = {
      document_url: 'https://cdn.example.com/edited.pdf',
      form_schema: null,
      usage: null,
    };
    expect(await filled('edit', result)).toEqual(result);
  });

  test('keeps a key named __proto__', async () => {
    const result: unknown = JSON.parse('{"__proto__":{"a":1},"result":{"__proto__":2}}');
    expect(JSON.stringify(await filled('extract', result))).toBe(JSON.stringify(result));
  });

  test('keeps its bytes: digits, order, whitespace, escapes, and repeated names', async () => {
    const result =
      ' { "b":1.10 ,"2":1e400,"1":9007199254740993, "b":"\\u0041\\/\\ud800", "__proto__":{} } ';
    for (const type of JOB_TYPES) expect(await textOf(type, result)).toBe(result);
  });

  test('rejects a result that is nested too deep', async () => {
    const result = '['.repeat(MAX_SCAN_DEPTH + 1) + ']'.repeat(MAX_SCAN_DEPTH + 1);
    await expect(textOf('extract', result)).rejects.toThrow(ResultDownloadError);
  });

  test('property: keeps the bytes of any result', async () => {
    await fc.assert(
      fc.asyncProperty(jsonTexts, fc.constantFrom(...JOB_TYPES), async (text, type) => {
        expect(await textOf(type, text)).toBe(Buffer.from(text).toString());
      }),
      { numRuns: 100 },
    );
  });
});

describe('the upstream id of the job becomes the gateway’s', () => {
  const ID = '"job_up"';
  test.each<[string, JobType, string]>([
    ['in a parse', 'parse', '{"job_id":@,"result":{"type":"full","chunks":[]}}'],
    ['in an extraction', 'extract', '{"result":[{"total":1}],"job_id" : @ }'],
    ['in a split', 'split', '{"result":{"splits":[]},"job_id":@}'],
    ['in a classification', 'classify', '{"result":{"category":"a"},"job_id":@}'],
    ['in an edit', 'edit', '{"document_url":"https://cdn.example.com/a","job_id":@}'],
    ['in a pipeline', 'pipeline', '{"job_id":@,"result":{"parse":null}}'],
    ['in the parse of a pipeline', 'pipeline', '{"result":{"parse":{"job_id":@,"result":{}}}}'],
    ['in each parse of a pipeline', 'pipeline', '{"result":{"parse":[{"job_id":@},{"job_id":@}]}}'],
    [
      'in the extraction of a pipeline',
      'pipeline',
      '{"result":{"extract":{"result":[],"job_id":@}}}',
    ],
    [
      'in each extraction of a pipeline that splits',
      'pipeline',
      '{"result":{"extract":[{"split_name":"a","result":{"job_id":@,"result":{}}}]}}',
    ],
    ['in the split of a pipeline', 'pipeline', '{"result":{"split":{"job_id":@}}}'],
    ['in the edit of a pipeline', 'pipeline', '{"result":{"edit":{"job_id":@}}}'],
    ['where it is written with escapes', 'parse', '{"job\\u005fid":@}'],
    ['each time where it is repeated', 'parse', '{"job_id":@,"job_id":@}'],
  ])('%s', async (_, type, text) => {
    expect(await textOf(type, text.replaceAll('@', ID))).toBe(
      text.replaceAll('@', JSON.stringify(IDS.own)),
    );
  });

  test('replaces an upstream id that is written with escapes', async () => {
    expect(await textOf('parse', '{"job_id":"\\u006aob_up"}')).toBe(`{"job_id":"${IDS.own}"}`);
  });

  test('replaces the upstream id next to a result URL', async () => {
    const text = `{"job_id":"job_up","result":${JSON.stringify(REMOTE)},"studio_link":null}`;
    expect(await textOf('parse', text, { [URL_1]: '{"chunks":[] }' })).toBe(
      `{"job_id":"${IDS.own}","result":{"chunks":[] },"studio_link":null}`,
    );
  });
});

describe('a job_id that is not the job’s own id in a documented place stays', () => {
  test.each<[string, JobType, string]>([
    ['of another job', 'pipeline', '{"result":{"parse":{"job_id":"job_other"}}}'],
    ['that begins alike', 'parse', '{"job_id":"job_up2"}'],
    ['that is no string', 'parse', '{"job_id":["job_up"]}'],
    ['in extracted data', 'extract', '{"result":{"job_id":"job_up"}}'],
    ['in a list of extracted data', 'extract', '{"result":[{"job_id":"job_up"}]}'],
    [
      'in extracted data of a pipeline',
      'pipeline',
      '{"result":{"extract":{"result":{"job_id":"job_up"}}}}',
    ],
    [
      'in extracted data of a pipeline that splits',
      'pipeline',
      '{"result":{"extract":[{"result":{"result":{"job_id":"job_up"}}}]}}',
    ],
    ['in a chunk', 'parse', '{"result":{"chunks":[{"job_id":"job_up"}]}}'],
    ['in text', 'parse', '{"result":{"content":"\\"job_id\\":\\"job_up\\""}}'],
  ])('%s', async (_, type, text) => {
    expect(await textOf(type, text)).toBe(text);
  });
});

describe('a result behind a URL', () => {
  test.each(JOB_TYPES.filter((type) => type !== 'pipeline'))(
    'of %s is filled in where the inner result stands, and leaves the rest',
    async (type) => {
      const result = { job_id: 'j', result: REMOTE, usage: { num_pages: 9 } };
      expect(await urlsOf(type, result)).toEqual([URL_1]);
      const inner = { type: 'full', chunks: [1], a: '"' };
      expect(await filled(type, result, { [URL_1]: JSON.stringify(inner) })).toEqual({
        ...result,
        result: inner,
      });
    },
  );

  test('gives a parse whose URL returns bare chunks the inline shape', async () => {
    const result = { job_id: 'j', result: { type: 'url', url: URL_1 } };
    const filledIn = await filled('parse', result, { [URL_1]: JSON.stringify(FULL.chunks) });
    expect(filledIn).toEqual({ job_id: 'j', result: FULL });
  });

  test('keeps the array of an extract', async () => {
    const filledIn = await filled('extract', { result: REMOTE }, { [URL_1]: '[{"total":1}]' });
    expect(filledIn).toEqual({ result: [{ total: 1 }] });
  });

  test('downloads the results of each pipeline step, bare or as a whole answer', async () => {
    const at = (name: string) => ({
      type: 'url',
      url: `https://cdn.example.com/${name}`,
      result_id: name,
    });
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

  test('downloads each extraction of a splitting pipeline', async () => {
    const text = `{"result":{"extract":[{"split_name":"a","result":{"result":${JSON.stringify(REMOTE)}}}]}}`;
    expect(await textOf('pipeline', text, { [URL_1]: '{"total":1.10}' })).toBe(
      '{"result":{"extract":[{"split_name":"a","result":{"result":{"total":1.10}}}]}}',
    );
  });

  test.each([
    ['v3', { response_type: 'v3_extract', result: REMOTE }],
    ['v3, named last', { result: REMOTE, response_type: 'v3_extract' }],
    ['legacy', { response_type: 'extract', result: REMOTE, citations: null }],
    [
      'legacy without a result_id',
      { response_type: 'extract', result: { type: 'url', url: URL_1 } },
    ],
    ['unnamed', { result: REMOTE }],
  ])('downloads an extraction of the shape: %s', async (_, result) => {
    const filledIn = await filled('extract', result, { [URL_1]: '[{"total":1}]' });
    expect(filledIn).toEqual({ ...result, result: [{ total: 1 }] });
  });

  test('downloads the citations of a legacy extraction', async () => {
    const result = { response_type: 'extract', result: [], citations: { type: 'url', url: URL_1 } };
    expect(await filled('extract', result, { [URL_1]: '[{"page":1}]' })).toEqual({
      ...result,
      citations: [{ page: 1 }],
    });
  });

  test('downloads citations', async () => {
    const text = `{"result":[],"citations":${JSON.stringify(REMOTE)}}`;
    expect(await textOf('extract', text, { [URL_1]: '[{"page":1}]' })).toBe(
      '{"result":[],"citations":[{"page":1}]}',
    );
  });

  test('does not follow URL results inside a downloaded result', async () => {
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
    ['as an extraction without a result_id', 'extract', { result: lure }],
    [
      'as an extraction of the v3 shape without a result_id',
      'extract',
      { response_type: 'v3_extract', result: lure },
    ],
    [
      'in citations beside an extraction of the v3 shape',
      'extract',
      { result: [], citations: { ...lure, result_id: 'r' }, response_type: 'v3_extract' },
    ],
    [
      'as an extraction of a pipeline without a result_id',
      'pipeline',
      { result: { extract: { response_type: 'v3_extract', result: lure } } },
    ],
    ['in a field of a classification', 'classify', { result: { category: lure } }],
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
  ])('%s', async (_where, type, result) => {
    expect(await urlsOf(type, result)).toEqual([]);
  });
});
