import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { toFile } from 'reductoai';
import { describe, expect, onTestFinished, test } from 'vitest';
import { samplePdf } from '../fixtures/sample-pdf.js';
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
              { type: 'Key Value', content: 'Name: Ada', bbox: { page: 1 } },
              { type: 'Text', content: 'One more line', bbox: { page: 1 } },
            ],
          },
          { content: 'The end', blocks: [{ content: 'The end', bbox: { page: 2 } }] },
        ],
      },
    });
    const [first, second] = test.sandbox.jobs.find(id)?.result?.pages[0]?.blocks ?? [];
    expect(first?.bbox.top).toBeGreaterThan(0);
    expect(second?.bbox.top).toBeGreaterThan(first?.bbox.top ?? 1);
  });

  test('reads the demo agreement in reading order, with its tables', async () => {
    const test = await bench();
    const id = await submitAndEnd(test, { input: await upload(test, agreement) });
    const { pages } = test.sandbox.jobs.find(id)?.result ?? { pages: [] };
    const blocks = pages.flatMap((page) => page.blocks);
    expect(pages).toHaveLength(4);
    expect(blocks[0]).toMatchObject({ type: 'Title', content: 'Residential Rental Agreement' });
    expect(
      blocks.filter(({ type }) => type === 'Section Header').map(({ content }) => content),
    ).toEqual([
      'Parties',
      'Premises',
      'Term and rent',
      'Schedule A: rooms',
      'Schedule B: monthly payments',
      'Schedule C: keys and meters',
      '1. Use of the premises',
      '2. Term and notice',
      '3. Rent and adjustment',
      '4. Deposit',
      '5. Upkeep and repairs',
      '6. House rules',
      '7. Access',
      '8. Return of the premises',
      '9. Final provisions',
      'Signatures',
    ]);
    expect(blocks.find(({ type }) => type === 'Table')?.content).toContain(
      'Kitchen | 11.0 | Fitted',
    );
  });

  test('accepts text files, a list of documents, and an upload object', async () => {
    const test = await bench();
    const text = await upload(test, 'First part\n\nSecond part\fOther page', 'a.txt');
    const id = await submitAndEnd(test, { input: [text, 'https://example.com/b.pdf'] });
    expect(test.sandbox.jobs.find(id)?.result?.pages.map(({ number }) => number)).toEqual([
      1, 2, 3,
    ]);
    const object = await submitAndEnd(test, { input: { file_id: text } });
    expect(test.sandbox.jobs.find(object)?.result?.pages).toHaveLength(2);
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
    expect(test.sandbox.jobs.find(id)?.result?.pages[0]?.blocks[0]?.content).toBe(
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

describe('extract', () => {
  const schema = {
    type: 'object',
    properties: {
      landlord: { type: 'string' },
      monthly_rent: { type: 'number' },
      numberOfRooms: { type: 'integer' },
      furnished: { type: 'boolean' },
      petsAllowed: { type: ['boolean', 'null'] },
      tax_number: { type: 'string' },
      term: { type: 'object', properties: { 'Start date': { type: 'string' } } },
    },
  };
  const expected = {
    landlord: 'Marta Lindqvist',
    monthly_rent: 1450,
    numberOfRooms: 4,
    furnished: false,
    petsAllowed: true,
    tax_number: null,
    term: { 'Start date': '2026-10-01' },
  };

  test('fills the schema from labeled lines', async () => {
    const test = await bench();
    const input = await upload(test, agreement);
    const id = await submitAndEnd(test, { input, instructions: { schema } }, 'extract');
    expect((await test.client.job.get(id)).result).toEqual({
      result: expected,
      usage: { num_pages: 4, num_fields: 7, credits: 4 },
      job_id: id,
      studio_link: null,
    });
  });

  test('reuses an earlier parse, and fails if it is unknown', async () => {
    const test = await bench();
    const parse = await submitAndEnd(test, { input: await upload(test, agreement) });
    const body = { input: `jobid://${parse}`, instructions: { schema } };
    const id = await submitAndEnd(test, body, 'extract');
    expect((await test.client.job.get(id)).result).toMatchObject({ result: expected });

    const lost = await submitAndEnd(test, { ...body, input: 'jobid://nobody' }, 'extract');
    expect(await test.client.job.get(lost)).toMatchObject({
      status: 'Failed',
      reason: expect.stringContaining('nobody'),
      error: { name: 'NOT_FOUND' },
    });
  });

  test('returns the legacy shape for a legacy body', async () => {
    const test = await bench();
    const body = { document_url: await upload(test, agreement), schema };
    const id = await submitAndEnd(test, body, 'extract');
    expect((await test.client.job.get(id)).result).toMatchObject({
      result: [expected],
      citations: null,
    });
  });
});

test('split assigns each page to the section with the same words', async () => {
  const test = await bench();
  const split_description = [
    { name: 'Parties', description: 'landlord and tenant, start date and monthly rent' },
    { name: 'Schedules', description: 'rooms, kitchen, meters and keys' },
    { name: 'Insurance', description: 'xylophone' },
  ];
  const id = await submitAndEnd(
    test,
    { input: await upload(test, agreement), split_description },
    'split',
  );
  const { result } = await test.client.job.get(id);
  expect(result).toMatchObject({
    result: {
      splits: [
        { name: 'Parties', pages: expect.arrayContaining([1]) },
        { name: 'Schedules', pages: expect.arrayContaining([2]) },
        { name: 'Insurance', pages: [], conf: 'low' },
      ],
    },
    usage: { num_pages: 4 },
  });
});

test('classify chooses the category by its criteria', async () => {
  const test = await bench();
  const classification_schema = [
    { category: 'invoice', criteria: ['invoice number', 'amount payable'] },
    { category: 'lease', criteria: ['names a landlord', 'names a tenant', 'monthly rent'] },
  ];
  const body = { input: await upload(test, agreement), classification_schema };
  const id = await submitAndEnd(test, body, 'classify');
  expect((await test.client.job.get(id)).result).toMatchObject({
    job_id: id,
    result: { category: 'lease' },
  });
});

test('edit returns a link to the document', async () => {
  const test = await bench();
  const document_url = await upload(test, agreement);
  const id = await submitAndEnd(test, { document_url, edit_instructions: 'Sign it' }, 'edit');
  const { result } = await test.client.job.get(id);
  expect(result).toMatchObject({ form_schema: null, usage: { num_pages: 4 } });
  const link = result && 'document_url' in result ? result.document_url : '';
  const edited = await fetch(link);
  expect(Buffer.from(await edited.arrayBuffer()).equals(agreement)).toBe(true);
});

test('pipeline returns a parse result', async () => {
  const test = await bench();
  const id = await submitAndEnd(test, { ...anyDocument, pipeline_id: 'p' }, 'pipeline');
  expect((await test.client.job.get(id)).result).toMatchObject({
    job_id: id,
    result: { parse: { result: { type: 'full' } }, extract: null, split: null },
  });
});
