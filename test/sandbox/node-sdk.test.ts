import { createReadStream } from 'node:fs';
import Reducto, { toFile } from 'reductoai';
import { describe, expect, test } from 'vitest';
import { samplePdf } from '../fixtures/sample-pdf.js';
import { CheckedSandbox, checkedSandbox } from './checked-sandbox.js';
import { anyDocument, call, ended, receiver } from './support.js';

/* The official Node SDK over the methods that process and upload documents. Each answer is held against the schemas too. */

const { input } = anyDocument;
const schema = { type: 'object', properties: { total: { type: 'number' } } };
const instructions = { schema };
const split_description = [{ name: 'All', description: 'Everything' }];
const classification_schema = [{ category: 'lease', criteria: ['names a landlord'] }];
const edit = { document_url: input, edit_instructions: 'Sign it' };
const demo = new URL('../../src/dev/demo/rental-agreement.pdf', import.meta.url);

async function completed({ sandbox, client }: CheckedSandbox, id: string): Promise<unknown> {
  await ended(sandbox, id);
  const job = await client.job.get(id);
  expect(job.status).toBe('Completed');
  return job.result;
}

describe('client.parse', () => {
  test('run returns the text of an uploaded PDF', async () => {
    const { client } = await checkedSandbox();
    const file = await toFile(await samplePdf([['Hello'], ['World']]), 'a.pdf');
    const { file_id } = await client.upload({ file });
    expect(await client.parse.run({ input: file_id })).toMatchObject({
      response_type: 'parse',
      usage: { num_pages: 2, page_billing_breakdown: { '1': ['page'] } },
      result: { type: 'full', chunks: [{ content: 'Hello' }, { content: 'World' }] },
    });
  });

  test('run accepts an upload object', async () => {
    const { client } = await checkedSandbox();
    const upload = await client.upload({ file: await toFile(Buffer.from('Hi'), 'a.txt') });
    expect(await client.parse.run({ input: upload })).toMatchObject({
      result: { chunks: [{ content: 'Hi' }] },
    });
  });

  test('run accepts a list of documents', async () => {
    const { client } = await checkedSandbox();
    expect(await client.parse.run({ input: [input, input] })).toMatchObject({
      usage: { num_pages: 2 },
    });
  });

  test('run with force_url_result returns a link that needs no key', async () => {
    const { client } = await checkedSandbox();
    const answer = await client.parse.run({ input, settings: { force_url_result: true } });
    const result = 'result' in answer ? answer.result : undefined;
    expect(result).toMatchObject({ type: 'url', result_id: expect.any(String) });
    const url = result && 'url' in result ? result.url : '';
    expect((await call(url)).json).toMatchObject({ type: 'full' });
  });

  test('run with embed_pdf_metadata returns a pdf_url', async () => {
    const { client } = await checkedSandbox();
    const answer = await client.parse.run({ input, settings: { embed_pdf_metadata: true } });
    const url = 'pdf_url' in answer ? (answer.pdf_url ?? '') : '';
    expect((await call(url)).text).toMatch(/^%PDF-/u);
  });

  test('run with extract_document_properties returns a title', async () => {
    const { client } = await checkedSandbox();
    const body = { input, settings: { extract_document_properties: true } };
    expect(await client.post('/parse', { body })).toMatchObject({
      document_properties: { title: expect.stringMatching(/./u) },
    });
  });

  test('run with `async` returns the id of a job', async () => {
    const box = await checkedSandbox();
    const answer = await box.client.parse.run({ input, async: { metadata: { mine: 1 } } });
    expect(answer).toEqual({ job_id: expect.any(String) });
    expect(await completed(box, answer.job_id)).toMatchObject({ response_type: 'parse' });
  });

  test('runJob creates a job whose result GET /job returns', async () => {
    const box = await checkedSandbox();
    const { job_id } = await box.client.parse.runJob({ input, queue_priority: 'auto' });
    expect(await completed(box, job_id)).toMatchObject({ response_type: 'parse', job_id });
  });
});

describe('client.extract', () => {
  test('run returns a list of objects in the V3 shape', async () => {
    const { client } = await checkedSandbox();
    expect(await client.extract.run({ input, instructions })).toMatchObject({
      response_type: 'v3_extract',
      result: [{ total: 1 }],
      usage: { num_fields: 1 },
    });
  });

  test('run with citations wraps the values', async () => {
    const { client } = await checkedSandbox();
    const settings = { citations: { enabled: true } };
    expect(await client.extract.run({ input, instructions, settings })).toMatchObject({
      result: { total: { value: 1, citations: [{ parentBlock: expect.any(Object) }] } },
    });
  });

  test('run returns the legacy shape for an account without V3 extract', async () => {
    const { client } = await checkedSandbox({ platform: { extract: 'legacy' } });
    expect(await client.extract.run({ input, instructions })).toMatchObject({
      response_type: 'extract',
      result: [{ total: 1 }],
      citations: null,
    });
  });

  test('run takes a parse as its input', async () => {
    const box = await checkedSandbox();
    const parse = await box.client.parse.run({ input });
    const body = { input: `jobid://${parse.job_id}`, instructions };
    expect(await box.client.extract.run(body)).toMatchObject({ result: [{ total: 1 }] });
  });

  test('run with `async` returns the id of a job', async () => {
    const box = await checkedSandbox();
    const answer = await box.client.extract.run({ input, instructions, async: {} });
    expect(answer).toEqual({ job_id: expect.any(String) });
  });

  test('runJob creates a job', async () => {
    const box = await checkedSandbox();
    const { job_id } = await box.client.extract.runJob({ input, instructions });
    expect(await completed(box, job_id)).toMatchObject({ response_type: 'v3_extract', job_id });
  });
});

describe('client.split', () => {
  test('run returns both keys of a split', async () => {
    const { client } = await checkedSandbox();
    expect(await client.split.run({ input, split_description })).toMatchObject({
      response_type: 'split',
      job_id: expect.any(String),
      duration: expect.any(Number),
      result: { section_mapping: null, splits: [{ name: 'All', pages: [1] }] },
    });
  });

  test('run with deep_split returns evidence', async () => {
    const { client } = await checkedSandbox();
    const body = { input, split_description, settings: { deep_split: true } };
    expect(await client.post('/split', { body })).toMatchObject({
      result: { splits: [{ pages: [{ page_number: 1, evidence: expect.any(String) }] }] },
    });
  });

  test('runJob creates a job', async () => {
    const box = await checkedSandbox();
    const { job_id } = await box.client.split.runJob({ input, split_description });
    expect(await completed(box, job_id)).toMatchObject({ response_type: 'split' });
  });
});

describe('client.edit', () => {
  test('run returns a link to a PDF', async () => {
    const { client } = await checkedSandbox();
    const { document_url: url } = await client.edit.run(edit);
    expect((await call(url)).text).toMatch(/^%PDF-/u);
  });

  test('runJob calls back at its top-level webhook', async () => {
    const { client } = await checkedSandbox();
    const target = await receiver();
    const webhook = { mode: 'direct', url: target.url, metadata: { mine: 1 } } as const;
    const { job_id } = await client.edit.runJob({ ...edit, webhook });
    const [callback] = await target.count(1);
    expect(callback?.json).toEqual({ status: 'Completed', job_id, metadata: { mine: 1 } });
  });
});

describe('client.pipeline', () => {
  test('run returns the results of its steps', async () => {
    const { client } = await checkedSandbox();
    expect(await client.pipeline.run({ input, pipeline_id: 'p' })).toMatchObject({
      response_type: 'pipeline',
      result: {
        parse: { response_type: 'parse' },
        extract: { response_type: 'v3_extract' },
        split: { response_type: 'split' },
        edit: { response_type: 'edit' },
      },
    });
  });

  test('runJob creates a job', async () => {
    const box = await checkedSandbox();
    const { job_id } = await box.client.pipeline.runJob({ input, pipeline_id: 'p' });
    expect(await completed(box, job_id)).toMatchObject({ response_type: 'pipeline' });
  });
});

describe('client.classify', () => {
  test('run returns a category', async () => {
    const { client } = await checkedSandbox();
    expect(await client.classify.run({ input, classification_schema })).toMatchObject({
      response_type: 'classify',
      result: { category: 'lease' },
      usage: { num_categories: 1 },
    });
  });

  test('a post to /classify_async creates a job', async () => {
    const box = await checkedSandbox();
    const body = { input, classification_schema };
    const { job_id } = await box.client.post<unknown, { job_id: string }>('/classify_async', {
      body,
    });
    expect(await completed(box, job_id)).toMatchObject({ response_type: 'classify' });
  });

  test('a post to /classify_async fails in a version without it', async () => {
    const { client } = await checkedSandbox({ platform: { classifyAsync: false } });
    const body = { input, classification_schema };
    await expect(client.post('/classify_async', { body })).rejects.toBeInstanceOf(
      Reducto.NotFoundError,
    );
  });
});

describe('client.upload', () => {
  test('without a file returns a link for a PUT', async () => {
    const { client } = await checkedSandbox();
    const { file_id, presigned_url: link } = await client.upload({ extension: 'txt' });
    expect(file_id).toMatch(/^reducto:\/\/.*\.txt$/u);
    expect((await call(`${link}`, { method: 'PUT', body: 'Sent later' })).status).toBe(200);
    expect(await client.parse.run({ input: file_id })).toMatchObject({
      result: { chunks: [{ content: 'Sent later' }] },
    });
  });

  test('takes a read stream', async () => {
    const { client } = await checkedSandbox();
    const { file_id, presigned_url } = await client.upload({ file: createReadStream(demo) });
    expect([file_id, presigned_url]).toEqual([expect.stringMatching(/\.pdf$/u), null]);
    expect(await client.parse.run({ input: file_id })).toMatchObject({ usage: { num_pages: 4 } });
  });

  test('takes a response of fetch', async () => {
    const { client } = await checkedSandbox();
    const file = new Response('From the web');
    const { file_id } = await client.upload({ file: await toFile(file, 'a.txt') });
    expect(await client.parse.run({ input: file_id })).toMatchObject({
      result: { chunks: [{ content: 'From the web' }] },
    });
  });

  test('takes a File', async () => {
    const { client } = await checkedSandbox();
    const { file_id } = await client.upload({ file: new File(['A file'], 'a.txt') });
    expect(await client.parse.run({ input: file_id })).toMatchObject({
      result: { chunks: [{ content: 'A file' }] },
    });
  });

  test.each([
    ['a string', 'not a file'],
    ['a Buffer', Buffer.from('bytes')],
  ])('is refused with 422 for %s', async (_case, file) => {
    const { client } = await checkedSandbox();
    const body = { file };
    await expect(client.post('/upload', { body })).rejects.toBeInstanceOf(
      Reducto.UnprocessableEntityError,
    );
  });
});
