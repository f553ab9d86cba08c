import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { toFile } from 'reductoai';
import { describe, expect, onTestFinished, test } from 'vitest';
import { samplePdf } from '../fixtures/sample-pdf.js';
import { PlatformSettings } from '../../src/sandbox/faults/platform-switches.js';
import { anyDocument, bench, Bench, submitAndEnd } from './support.js';

const agreement = await readFile(
  new URL('../../src/dev/demo/rental-agreement.pdf', import.meta.url),
);

async function upload({ client }: Bench, bytes: Buffer | string, name = 'a.pdf'): Promise<string> {
  return (await client.upload({ file: await toFile(Buffer.from(bytes), name) })).file_id;
}

describe('parse', () => {
  test('returns the text of each page in chunks and in blocks with positions', async () => {
    const test = await bench();
    const input = await upload(
      test,
      await samplePdf([['Name: Ada', 'One more line'], ['The end']]),
    );
    const id = await submitAndEnd(test, { input });
    const { result } = await test.client.job.get(id);
    expect(result).toMatchObject({
      usage: { num_pages: 2 },
      result: {
        type: 'full',
        chunks: [
          {
            content: 'Name: Ada\n\nOne more line',
            blocks: [
              { type: 'Text', content: 'Name: Ada', bbox: { page: 1 } },
              { type: 'Text', content: 'One more line', bbox: { page: 1 } },
            ],
          },
          { content: 'The end', blocks: [{ content: 'The end', bbox: { page: 2 } }] },
        ],
      },
    });
    const [first, second] = test.sandbox.jobs.find(id)?.document?.pages[0]?.blocks ?? [];
    expect(second?.bbox.top).toBeGreaterThan(first?.bbox.top ?? 1);
  });

  test('reads the lines of the demo agreement in order', async () => {
    const test = await bench();
    const id = await submitAndEnd(test, { input: await upload(test, agreement) });
    const { pages } = test.sandbox.jobs.find(id)?.document ?? { pages: [] };
    const lines = pages.flatMap((page) => page.blocks.map(({ content }) => content));
    expect(pages).toHaveLength(4);
    expect(lines[0]).toBe('Residential Rental Agreement');
    expect(lines).toContain('Landlord: Marta Lindqvist');
  });

  test('accepts text files, a list of documents, and an upload object', async () => {
    const test = await bench();
    const text = await upload(test, 'First part\n\nSecond part\fOther page', 'a.txt');
    const id = await submitAndEnd(test, { input: [text, 'https://example.com/b.pdf'] });
    expect(test.sandbox.jobs.find(id)?.document?.pages.map(({ number }) => number)).toEqual([
      1, 2, 3,
    ]);
    const object = await submitAndEnd(test, { input: { file_id: text } });
    expect(test.sandbox.jobs.find(object)?.document?.pages).toHaveLength(2);
  });

  test('returns a synthetic page for a remote document', async () => {
    const test = await bench();
    const id = await submitAndEnd(test, anyDocument);
    expect(JSON.stringify(await test.client.job.get(id))).toContain(
      'Synthetic document\\n\\nSource: https://example.com/contract.pdf',
    );
  });

  test('fetches a document from a loopback address', async () => {
    const server = createServer((_request, response) => response.end('From another server'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const test = await bench();
    const id = await submitAndEnd(test, { input: `http://127.0.0.1:${port}/a.txt` });
    expect(test.sandbox.jobs.find(id)?.document?.pages[0]?.blocks[0]?.content).toBe(
      'From another server',
    );
  });

  test.each([
    ['a broken PDF', Buffer.from('%PDF-1.7 and nothing else'), 'DOCUMENT_CORRUPT'],
    [
      'bytes that are neither PDF nor text',
      Buffer.from([0xff, 0xfe, 0x00, 0x81]),
      'DOCUMENT_CORRUPT',
    ],
    ['an empty file', Buffer.alloc(0), 'DOCUMENT_EMPTY'],
  ])('fails the job for %s', async (_case, bytes, name) => {
    const test = await bench();
    const id = await submitAndEnd(test, { input: await upload(test, bytes) });
    expect(await test.client.job.get(id)).toMatchObject({
      status: 'Failed',
      reason: expect.any(String),
      error: { name },
    });
  });
});

function ofNames(names: readonly string[], value: object): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, value]));
}

describe('extract', () => {
  const schema = {
    type: 'object',
    properties: {
      monthly_rent: { type: 'number' },
      rooms: { type: 'integer', minimum: 3 },
      furnished: { type: 'boolean' },
      pets: { type: ['string', 'null'] },
      kind: { enum: ['lease', 'sale'] },
      start: { type: 'string', format: 'date' },
      parties: { type: 'array', items: { $ref: '#/$defs/party' } },
      deposit: { anyOf: [{ type: 'null' }, { type: 'number' }] },
    },
    $defs: { party: { type: 'object', properties: { full_name: { type: 'string' } } } },
  };
  const sample = {
    monthly_rent: 1,
    rooms: 3,
    furnished: true,
    pets: 'Sample pets',
    kind: 'lease',
    start: '2026-01-31',
    parties: [{ full_name: 'Sample full name' }],
    deposit: 1,
  };
  const extractOf = async (
    body: Record<string, unknown>,
    platform: PlatformSettings = {},
  ): Promise<unknown> => {
    const test = await bench({ platform });
    const id = await submitAndEnd(test, { ...anyDocument, ...body }, 'extract');
    return (await test.client.job.get(id)).result;
  };

  test('fills the schema with sample values in the V3 shape', async () => {
    expect(await extractOf({ instructions: { schema } })).toMatchObject({
      response_type: 'v3_extract',
      result: [sample],
      usage: { num_pages: 1, num_fields: 8 },
    });
  });

  test('wraps each value with its citations in the V3 shape', async () => {
    const body = { instructions: { schema }, settings: { citations: { enabled: true } } };
    const citations = [expect.objectContaining({ bbox: expect.any(Object), confidence: 'high' })];
    expect(await extractOf(body)).toMatchObject({
      result: { rooms: { value: 3, citations }, parties: [{ full_name: { citations } }] },
    });
  });

  test('gives an account without V3 extract the legacy shape', async () => {
    const body = { instructions: { schema } };
    expect(await extractOf(body, { extract: 'legacy' })).toMatchObject({
      response_type: 'extract',
      result: [sample],
      citations: null,
    });
  });

  test('gives a request of the second version the legacy shape, with separate citations', async () => {
    const { input: document_url } = anyDocument;
    const body = { input: undefined, document_url, schema, generate_citations: true };
    expect(await extractOf(body)).toMatchObject({
      response_type: 'extract',
      result: [sample],
      citations: [{ rooms: [{ content: '3' }] }],
    });
  });

  test('terminates for a schema that refers to itself', async () => {
    const recursive = { properties: { next: { $ref: '#' } } };
    expect(await extractOf({ instructions: { schema: recursive } })).toMatchObject({
      result: [{ next: { next: expect.anything() } }],
    });
  });

  test.each([
    ['three references to itself', { properties: ofNames(['a', 'b', 'c'], { $ref: '#' }) }],
    ['long lists of itself', { type: 'array', minItems: 1_000, items: { $ref: '#' } }],
  ])('bounds the values of a schema with %s', async (_case, recursive) => {
    const result = await extractOf({ instructions: { schema: recursive } });
    expect(JSON.stringify(result).length).toBeLessThan(1_000_000);
  });

  test('takes a format that has the name of a method', async () => {
    const named = { properties: { a: { type: 'string', format: 'constructor' } } };
    expect(await extractOf({ instructions: { schema: named } })).toMatchObject({
      result: [{ a: 'Sample a' }],
    });
  });

  test('fails if the job of its input is unknown', async () => {
    const test = await bench();
    const lost = await submitAndEnd(test, { input: 'jobid://nobody' }, 'extract');
    expect(await test.client.job.get(lost)).toMatchObject({
      status: 'Failed',
      reason: expect.stringContaining('nobody'),
      error: { name: 'NOT_FOUND' },
    });
  });
});

describe('split', () => {
  const split_description = [
    { name: 'First', description: 'a' },
    { name: 'Second', description: 'b', partition_key: 'c' },
  ];

  test('shares the pages between the sections', async () => {
    const test = await bench();
    const body = { input: await upload(test, agreement), split_description };
    const id = await submitAndEnd(test, body, 'split');
    expect((await test.client.job.get(id)).result).toMatchObject({
      response_type: 'split',
      result: {
        section_mapping: null,
        splits: [
          { name: 'First', pages: [1, 2], conf: 'high', partitions: null },
          { name: 'Second', pages: [3, 4], partitions: [{ pages: [3, 4] }] },
        ],
      },
      usage: { num_pages: 4 },
    });
  });

  test('gives evidence for each page with deep_split', async () => {
    const test = await bench();
    const settings = { deep_split: true };
    const id = await submitAndEnd(test, { ...anyDocument, split_description, settings }, 'split');
    const { result } = await test.client.job.get(id);
    expect(result).toMatchObject({
      result: { splits: [{ pages: [] }, { pages: [{ page_number: 1, evidence: 'Sample' }] }] },
    });
    expect(result).not.toHaveProperty('result.section_mapping');
  });
});

test('classify chooses the first category, and names its group', async () => {
  const test = await bench();
  const classification_schema = [
    { category: 'lease', criteria: ['names a landlord'] },
    { category: 'invoice', criteria: ['invoice number'] },
  ];
  const category_groups = { contracts: ['lease'] };
  const body = { ...anyDocument, classification_schema, category_groups };
  const id = await submitAndEnd(test, body, 'classify');
  expect((await test.client.job.get(id)).result).toMatchObject({
    job_id: id,
    result: { category: 'lease' },
    usage: { num_categories: 2 },
    extra_metadata: { grouping: 'contracts' },
  });
});
