import { describe, expect, test } from 'vitest';
import { toFile } from 'reductoai';
import { samplePdf } from '../fixtures/sample-pdf.js';
import { anyDocument, bench, Bench, call, submitAndEnd } from './support.js';

/** All links of a job's result, by path in the result. */
async function linksOf(
  { client }: Bench,
  id: string,
): Promise<{ paths: string[]; links: string[] }> {
  const paths: string[] = [];
  const links: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'string' && /\/(?:results|files)\//u.test(value)) {
      paths.push(path);
      links.push(value);
    }
    if (typeof value !== 'object' || value === null) return;
    for (const [key, member] of Object.entries(value)) visit(member, `${path}.${key}`);
  };
  visit((await client.job.get(id)).result, 'result');
  return { paths, links };
}

const allKinds = [
  'result.pdf_url',
  'result.result.chunks.0.blocks.0.extra.page_image_url',
  'result.result.chunks.0.blocks.3.chart_data.0',
  'result.result.chunks.0.blocks.3.extra.chart_reconstruction',
  'result.result.chunks.0.blocks.3.extra.overlay_url',
  'result.result.chunks.0.blocks.3.image_url',
  'result.result.chunks.0.blocks.4.image_url',
  'result.result.chunks.0.blocks.4.merged_tables.0.image_url',
  'result.result.chunks.0.blocks.4.merged_tables.1.image_url',
];

describe('the links of a parse', () => {
  test.each([
    ['embed_pdf_metadata', { settings: { embed_pdf_metadata: true } }, ['result.pdf_url']],
    [
      'return_images page',
      { settings: { return_images: ['page'] } },
      ['result.result.chunks.0.blocks.0.extra.page_image_url'],
    ],
    [
      'return_images figure',
      { settings: { return_images: ['figure'] } },
      ['result.result.chunks.0.blocks.3.image_url'],
    ],
    [
      'return_images table',
      { settings: { return_images: ['table'] } },
      ['result.result.chunks.0.blocks.3.image_url'],
    ],
    [
      'advanced_chart_agent',
      { enhance: { advanced_chart_agent: true } },
      [
        'result.result.chunks.0.blocks.3.chart_data.0',
        'result.result.chunks.0.blocks.3.extra.chart_reconstruction',
      ],
    ],
    [
      'return_overlays',
      { enhance: { agentic: [{ scope: 'figure', return_overlays: true }] } },
      ['result.result.chunks.0.blocks.3.extra.overlay_url'],
    ],
    ['the switch allLinks', { sim: { allLinks: true } }, allKinds],
    ['no option', {}, []],
  ])('appear with %s', async (_case, options, expected: string[]) => {
    const test = await bench();
    const id = await submitAndEnd(test, { ...anyDocument, ...options });
    const { paths, links } = await linksOf(test, id);
    expect(paths.toSorted()).toEqual(expected.toSorted());
    for (const link of links) expect((await call(link)).status).toBe(200);
  });

  test('are in the document behind result.url too', async () => {
    const test = await bench();
    const sim = { allLinks: true, forceUrlResult: true };
    const id = await submitAndEnd(test, { ...anyDocument, sim });
    const { paths, links } = await linksOf(test, id);
    expect(paths).toEqual(['result.result.url', 'result.pdf_url']);
    const { text } = await call(links[0] ?? '');
    const [image = ''] = /http[^"]*\/picture-1\.png[^"]*/u.exec(text) ?? [];
    const response = await fetch(image);
    expect(response.headers.get('content-type')).toBe('image/png');
    expect(
      Buffer.from(await response.arrayBuffer())
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
  });

  test('are as many as the switch pictures says', async () => {
    const test = await bench();
    const body = { settings: { return_images: ['figure'] }, sim: { pictures: 300 } };
    const id = await submitAndEnd(test, { ...anyDocument, ...body });
    expect((await linksOf(test, id)).links).toHaveLength(300);
  });
});

describe('an edit', () => {
  test('links to the PDF that it was given', async () => {
    const test = await bench();
    const pdf = await samplePdf([['A form']]);
    const { file_id } = await test.client.upload({ file: await toFile(pdf, 'form.pdf') });
    const body = { document_url: file_id, edit_instructions: 'Sign it' };
    const id = await submitAndEnd(test, body, 'edit');
    const { paths, links } = await linksOf(test, id);
    expect(paths).toEqual(['result.document_url']);
    const response = await fetch(links[0] ?? '');
    expect(response.headers.get('content-type')).toBe('application/pdf');
    expect(Buffer.from(await response.arrayBuffer()).equals(pdf)).toBe(true);
  });

  test('links to a sample PDF, which can be parsed, if its document is none', async () => {
    const test = await bench();
    const body = { document_url: anyDocument.input, edit_instructions: 'Sign it' };
    const edit = await submitAndEnd(test, body, 'edit');
    const { links } = await linksOf(test, edit);
    const parse = await submitAndEnd(test, { input: links[0] ?? '' });
    expect(JSON.stringify(await test.client.job.get(parse))).toContain('A document of the sandbox');
  });
});

test.each([
  ['split', { split_description: [{ name: 'a', description: 'b' }] }],
  ['extract', { instructions: { schema: {} } }],
])('a %s has a URL result with settings.force_url_result', async (type, body) => {
  const test = await bench();
  const settings = { force_url_result: true };
  const id = await submitAndEnd(test, { ...anyDocument, ...body, settings }, type);
  expect((await linksOf(test, id)).paths).toEqual(['result.result.url']);
});

test('a classify has a URL result with force_url_result', async () => {
  const test = await bench();
  const classification_schema = [{ category: 'a', criteria: ['b'] }];
  const body = { ...anyDocument, classification_schema, force_url_result: true };
  const id = await submitAndEnd(test, body, 'classify');
  const { links } = await linksOf(test, id);
  expect((await call(links[0] ?? '')).json).toEqual({ category: 'a' });
});

test('a legacy extract with citations has two URL results', async () => {
  const test = await bench({ platform: { extract: 'legacy' } });
  const schema = { properties: { name: { type: 'string' } } };
  const settings = { force_url_result: true, citations: { enabled: true } };
  const body = { ...anyDocument, instructions: { schema }, settings };
  const id = await submitAndEnd(test, body, 'extract');
  const { paths, links } = await linksOf(test, id);
  expect(paths.toSorted()).toEqual(['result.citations.url', 'result.result.url']);
  const bodies = await Promise.all(links.map(async (link) => (await call(link)).json));
  expect(bodies).toEqual([
    [{ name: 'Sample name' }],
    [{ name: [expect.objectContaining({ content: 'Sample name' })] }],
  ]);
});

test('a pipeline has the links of its steps', async () => {
  const test = await bench();
  const sim = { allLinks: true, forceUrlResult: true };
  const id = await submitAndEnd(test, { ...anyDocument, pipeline_id: 'p', sim }, 'pipeline');
  const { paths, links } = await linksOf(test, id);
  expect(paths.toSorted()).toEqual([
    'result.result.edit.document_url',
    'result.result.extract.result.url',
    'result.result.parse.pdf_url',
    'result.result.parse.result.url',
    'result.result.split.result.url',
  ]);
  for (const link of links) expect((await call(link)).status).toBe(200);
});

test('a chart job has a link to its reconstruction', async () => {
  const test = await bench();
  const id = await submitAndEnd(test, { ...anyDocument, sim: { chart: true } });
  expect((await linksOf(test, id)).paths).toEqual(['result.result.reconstruction_url']);
});

describe('the lifetime of links', () => {
  test.each([
    ['403', 'AccessDenied'],
    ['404', 'NoSuchKey'],
  ] as const)('ends after linkSeconds with %s', async (linkExpiredStatus, code) => {
    const test = await bench({ speed: 0, platform: { linkSeconds: 2, linkExpiredStatus } });
    const id = await submitAndEnd(test, { ...anyDocument, sim: { allLinks: true } });
    const { links } = await linksOf(test, id);
    await test.sandbox.clock.advance(2_000);
    for (const link of links) {
      const { status, text } = await call(link);
      expect([String(status), text]).toEqual([linkExpiredStatus, expect.stringContaining(code)]);
    }
  });

  test('can be that of one job', async () => {
    const test = await bench({ speed: 0 });
    const sim = { allLinks: true, linkSeconds: 5 };
    const { links } = await linksOf(test, await submitAndEnd(test, { ...anyDocument, sim }));
    const other = await linksOf(
      test,
      await submitAndEnd(test, { ...anyDocument, sim: { allLinks: true } }),
    );
    await test.sandbox.clock.advance(5_000);
    expect((await call(links[0] ?? '')).status).toBe(403);
    expect((await call(other.links[0] ?? '')).status).toBe(200);
  });
});

describe('file switches', () => {
  const pdf = { settings: { embed_pdf_metadata: true } };

  test.each([
    ['expired', 403],
    ['notFound', 404],
    ['error', 500],
  ])('fault %s fails the first download', async (fault, status) => {
    const test = await bench();
    const sim = { files: { fault, times: 1 } };
    const { links } = await linksOf(
      test,
      await submitAndEnd(test, { ...anyDocument, ...pdf, sim }),
    );
    expect((await call(links[0] ?? '')).status).toBe(status);
    expect((await call(links[0] ?? '')).status).toBe(200);
  });

  test('fault truncated closes the connection after half of the file', async () => {
    const test = await bench();
    const sim = { files: { fault: 'truncated' } };
    const { links } = await linksOf(
      test,
      await submitAndEnd(test, { ...anyDocument, ...pdf, sim }),
    );
    await expect(call(links[0] ?? '')).rejects.toThrow('terminated');
  });

  test('bytes pads each file', async () => {
    const test = await bench();
    const sim = { files: { bytes: 1_000_000 } };
    const { links } = await linksOf(
      test,
      await submitAndEnd(test, { ...anyDocument, ...pdf, sim }),
    );
    const response = await fetch(links[0] ?? '');
    expect((await response.arrayBuffer()).byteLength).toBe(1_000_000);
  });
});
