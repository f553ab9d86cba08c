import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { metricValue } from '../support/metrics.js';
import { getWithKey, LinkedResults, settingsFor } from '../support/linked-results.js';

/* What a result links to, from an upstream whose links die as soon as a job has ended. */

let results: LinkedResults;
let gateway: TestGateway;

beforeAll(async () => {
  results = await LinkedResults.start();
  gateway = await startGateway(settingsFor(results));
});
afterAll(async () => {
  await gateway.close();
  await results.close();
});
beforeEach(() => results.reset());

const link = (...given: Parameters<LinkedResults['link']>): string => results.link(...given);
const json = (name: string, value: unknown): string => results.json(name, value);
const urlResult = (name: string, value: unknown) => results.urlResult(name, value);

const SCHEMA = { instructions: { schema: { type: 'object' } } };
const REQUESTS: Readonly<Record<string, Record<string, unknown>>> = {
  parse: {},
  extract: SCHEMA,
  split: { split_description: [{ name: 'a', description: 'b' }] },
  edit: { document_url: 'https://example.com/a.pdf', input: undefined, edit_instructions: 'Fill' },
  classify: { classification_schema: [{ category: 'invoice', criteria: [] }] },
  pipeline: { pipeline_id: 'p' },
};

/** Completes a job of `type` with `result`; `@` in it stands for the upstream id. */
async function completed(type: string, result: unknown): Promise<string> {
  results.completeWith(result);
  const id = await gateway.submit({ type, ...REQUESTS[type] });
  expect(await gateway.ended(id)).toMatchObject({ status: 'completed', missingFiles: [] });
  return id;
}

const get = (url: string): Promise<Response> => getWithKey(gateway, url);

async function resultOf(id: string): Promise<string> {
  return (await get(`${gateway.url}/v1/jobs/${id}/result`)).text();
}

/** All strings in a value that are links. */
function linksIn(value: unknown): string[] {
  if (typeof value === 'string') return value.startsWith('http') ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(linksIn) : [];
}

/** The contents behind the links of a result, in their order, with all links of the upstream dead. */
async function contentsOf(id: string): Promise<string[]> {
  results.expireLinks();
  const result = await resultOf(id);
  expect(result).not.toContain(results.upstream.url);
  return Promise.all(
    linksIn(JSON.parse(result)).map(async (url) => {
      expect(url).toMatch(new RegExp(`^${gateway.url}/v1/jobs/${id}/files/[a-z0-9-]+\\.[a-z]+$`));
      const answer = await get(url);
      expect(answer.status).toBe(200);
      return answer.text();
    }),
  );
}

const block = (fields: object) => ({
  type: 'Figure',
  bbox: { left: 0, top: 0, width: 1, height: 1, page: 1 },
  content: 'A figure',
  ...fields,
});
const full = (name: string) => ({
  type: 'full',
  chunks: [
    {
      content: 'text',
      embed: 'text',
      enriched: null,
      blocks: [
        block({ image_url: link(`${name}-1`) }),
        block({
          image_url: link(`${name}-2`),
          chart_data: [json(`${name}-data`, { a: 1 })],
          merged_tables: [{ content: 't', bbox: {}, image_url: link(`${name}-merged`) }],
          extra: { is_chart: true, chart_reconstruction: link(`${name}-chart`) },
        }),
      ],
    },
  ],
});
const fullContents = (name: string): string[] => [
  `content of ${name}-1`,
  `content of ${name}-2`,
  '{"a":1}',
  `content of ${name}-merged`,
  `content of ${name}-chart`,
];
const parse = (name: string, result: unknown) => ({
  response_type: 'parse',
  job_id: '@',
  duration: 1.5,
  usage: { num_pages: 1 },
  result,
  pdf_url: link(`${name}-pdf`, 'content of the PDF', 'application/pdf'),
});

describe('every link of a result is readable through the gateway', () => {
  it('of a parse', async () => {
    const id = await completed('parse', parse('a', full('a')));
    expect(await contentsOf(id)).toEqual([...fullContents('a'), 'content of the PDF']);
  });

  it('of a parse behind a URL', async () => {
    const id = await completed('parse', parse('b', urlResult('document', full('b'))));
    expect(await contentsOf(id)).toEqual([...fullContents('b'), 'content of the PDF']);
  });

  it('of a parse behind a URL that returns the bare chunks', async () => {
    const id = await completed('parse', parse('c', urlResult('chunks', full('c').chunks)));
    expect(await contentsOf(id)).toEqual([...fullContents('c'), 'content of the PDF']);
  });

  it('of a parse with overlays in extra and custom', async () => {
    const chunk = {
      content: '',
      blocks: [block({ extra: { pages: [{ overlay: link('overlay') }] } })],
    };
    const result = { type: 'full', chunks: [chunk], custom: { a: [link('custom')] } };
    expect(await contentsOf(await completed('parse', { job_id: '@', result }))).toEqual([
      'content of overlay',
      'content of custom',
    ]);
  });

  it('of an extract of version 3 behind a URL', async () => {
    const id = await completed('extract', {
      response_type: 'v3_extract',
      usage: { num_pages: 1, num_fields: 1 },
      result: urlResult('v3', { total: { value: 1.1, citations: [] } }),
    });
    expect(await contentsOf(id)).toEqual([]);
    expect(await resultOf(id)).toContain('"result":{"total":{"value":1.1,"citations":[]}}');
  });

  it('of a legacy extract with result and citations behind URLs', async () => {
    const id = await completed('extract', {
      response_type: 'extract',
      usage: { num_pages: 1, num_fields: 1 },
      result: urlResult('legacy', [{ total: 1 }]),
      citations: urlResult('citations', [{ total: [] }]),
    });
    expect(await contentsOf(id)).toEqual([]);
    expect(await resultOf(id)).toContain('"result":[{"total":1}],"citations":[{"total":[]}]');
  });

  it('of a split behind a URL', async () => {
    const id = await completed('split', {
      response_type: 'split',
      usage: { num_pages: 1 },
      result: urlResult('split', { section_mapping: null, splits: [] }),
    });
    expect(await contentsOf(id)).toEqual([]);
    expect(await resultOf(id)).toContain('"splits":[]');
  });

  it('of a classification behind a URL', async () => {
    const id = await completed('classify', {
      response_type: 'classify',
      job_id: '@',
      result: urlResult('class', { category: 'invoice' }),
    });
    expect(await contentsOf(id)).toEqual([]);
    expect(await resultOf(id)).toContain('"result":{"category":"invoice"}');
  });

  it('of an edit', async () => {
    const document_url = link('edited', 'content of the edit', 'application/pdf');
    const id = await completed('edit', { response_type: 'edit', job_id: '@', document_url });
    expect(await contentsOf(id)).toEqual(['content of the edit']);
    expect(JSON.parse(await resultOf(id)).document_url).toMatch(/\/files\/document\.pdf$/);
  });

  it('of a pipeline with a list of parses, extractions by split, and an edit', async () => {
    const extraction = { response_type: 'v3_extract', usage: {}, result: urlResult('x', { a: 1 }) };
    const id = await completed('pipeline', {
      response_type: 'pipeline',
      job_id: '@',
      usage: { num_pages: 1 },
      result: {
        parse: [parse('p1', full('p1')), parse('p2', urlResult('p2-document', full('p2')))],
        extract: [{ split_name: 's', page_range: [1], result: extraction }],
        split: { response_type: 'split', usage: {}, result: urlResult('y', { splits: [] }) },
        edit: { response_type: 'edit', document_url: link('z', 'edited', 'application/pdf') },
      },
    });
    expect(await contentsOf(id)).toEqual([
      ...fullContents('p1'),
      'content of the PDF',
      ...fullContents('p2'),
      'content of the PDF',
      'edited',
    ]);
    expect(await resultOf(id)).toContain('"result":{"a":1}');
  });

  it('of a chart', async () => {
    const id = await completed('parse', {
      response_type: 'chart',
      job_id: '@',
      result: {
        chart_data: { series: [] },
        summary: 'A chart',
        reconstruction_url: link('reconstruction'),
        verified: true,
      },
    });
    expect(await contentsOf(id)).toEqual(['content of reconstruction']);
  });
});

describe('what is no link to a file stays', () => {
  it.each<[string, string, unknown]>([
    ['extracted data', 'extract', { result: { pdf_url: '#', image_url: '#' } }],
    ['a list of extracted data', 'extract', { result: [{ document_url: '#' }] }],
    ['the text of a document', 'parse', { result: { type: 'full', chunks: [{ content: '#' }] } }],
    ['a link to the studio', 'parse', { studio_link: '#', result: { type: 'full', chunks: [] } }],
    [
      'an image within the result',
      'parse',
      { result: { chunks: [{ blocks: [{ image_url: 'data:#' }] }] } },
    ],
  ])('in %s', async (_, type, result) => {
    const text = JSON.stringify(result).replaceAll('#', link('never'));
    const id = await completed(type, JSON.parse(text));
    expect(await resultOf(id)).toBe(text);
    expect(results.requestsOf('never')).toBe(0);
  });

  it('counts links that may expire and that it does not know', async () => {
    const before = await metricValue(gateway, 'gateway_result_unknown_links_total');
    const text = `{"somewhere":{"new":"${link('new')}"},"page":"https://example.com/","result":{"type":"full","chunks":[]}}`;
    const id = await completed('parse', JSON.parse(text));
    expect(await resultOf(id)).toBe(text);
    expect(await metricValue(gateway, 'gateway_result_unknown_links_total')).toBe(before + 1);
  });
});

it('downloads a URL that a result names twice once', async () => {
  const twice = link('twice');
  const blocks = [block({ image_url: twice }), block({ image_url: twice })];
  const id = await completed('parse', { result: { type: 'full', chunks: [{ blocks }] } });
  expect(await contentsOf(id)).toEqual(['content of twice', 'content of twice']);
  expect(results.requestsOf('twice')).toBe(1);
  expect((await gateway.call('GET', `/v1/jobs/${id}/files`)).body.files).toHaveLength(1);
});

it('lists the files of a job with their hashes', async () => {
  const id = await completed('parse', parse('list', full('list')));
  const { body } = await gateway.call('GET', `/v1/jobs/${id}/files`);
  expect(body.files.map((file: { name: string }) => file.name)).toEqual([
    'attachment-0001.png',
    'chart-data-0001.json',
    'document.pdf',
    'image-0001.png',
    'image-0002.png',
    'table-image-0001.png',
  ]);
  const content = 'content of the PDF';
  expect(body.files[2]).toEqual({
    name: 'document.pdf',
    contentType: 'application/pdf',
    bytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    url: `${gateway.url}/v1/jobs/${id}/files/document.pdf`,
  });
});

it('changes nothing of a result but its links', async () => {
  const text = `{ "pdf_url" : "@1" ,"job_id":"@","b":1.10,"1":9007199254740993,"result":{"chunks":[{"blocks":[{"image_url":"@2","\\u0061":"\\/"}]}] } }`;
  const links = [link('one', 'x', 'application/pdf'), link('two')];
  results.upstream.answers.poll = ({ path }) => ({
    body: `{"status":"Completed","result":${text
      .replace('@1', links[0] ?? '')
      .replace('@2', (links[1] ?? '').replaceAll('/', '\\/'))
      .replace('@', path.replace('/job/', ''))}}`,
  });
  const id = await gateway.submit();
  await gateway.ended(id);
  const base = `${gateway.url}/v1/jobs/${id}/files`;
  expect(await resultOf(id)).toBe(
    text
      .replace('@1', `${base}/document.pdf`)
      .replace('@2', `${base}/image-0001.png`)
      .replace('@', id),
  );
});
