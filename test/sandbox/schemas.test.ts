import { readFile } from 'node:fs/promises';
import { toFile } from 'reductoai';
import { describe, expect, test } from 'vitest';
import { PlatformSettings } from '../../src/sandbox/faults/platform-switches.js';
import { JobSwitches } from '../../src/sandbox/faults/faults.js';
import { CheckedSandbox, checkedSandbox } from './checked-sandbox.js';
import { violationsOf } from './schemas/answers.js';
import { anyDocument, call, ended, receiver, submit } from './support.js';

const schema = {
  type: 'object',
  properties: { total: { type: 'number' }, lines: { type: 'array', items: { type: 'string' } } },
};
const split_description = [
  { name: 'First', description: 'a' },
  { name: 'Second', description: 'b', partition_key: 'c' },
];
const classification_schema = [
  { category: 'invoice', criteria: ['has a total'] },
  { category: 'lease', criteria: [] },
];
const bbox = { left: 0.1, top: 0.1, width: 0.2, height: 0.1, page: 1 };
const form_schema = [{ bbox, description: 'Name', type: 'text' }];
const allOptions = {
  enhance: { agentic: [{ scope: 'figure', return_overlays: true, advanced_chart_agent: true }] },
  formatting: { merge_tables: true },
  settings: {
    return_images: ['figure', 'table', 'page'],
    embed_pdf_metadata: true,
    extract_document_properties: true,
    return_ocr_data: true,
    model: 'r-1',
  },
};

const requests: readonly [name: string, type: string, body: Record<string, unknown>][] = [
  ['a parse', 'parse', {}],
  ['a parse with all options', 'parse', allOptions],
  ['an old parse', 'parse', { input: undefined, document_url: anyDocument.input }],
  ['an extract', 'extract', { instructions: { schema } }],
  [
    'an extract with citations',
    'extract',
    { instructions: { schema }, settings: { citations: { enabled: true }, deep_extract: true } },
  ],
  ['an old extract', 'extract', { input: undefined, document_url: anyDocument.input, schema }],
  ['a split', 'split', { split_description }],
  ['a deep split', 'split', { split_description, settings: { deep_split: true } }],
  [
    'an edit',
    'edit',
    { input: undefined, document_url: anyDocument.input, edit_instructions: 'x', form_schema },
  ],
  ['a pipeline', 'pipeline', { pipeline_id: 'p' }],
  ['a pipeline with lists', 'pipeline', { pipeline_id: 'p', sim: { pipelineLists: true } }],
  ['a classify', 'classify', { classification_schema }],
  [
    'a classify with groups',
    'classify',
    { classification_schema, category_groups: { sales: ['invoice'] }, model: 'accurate' },
  ],
  ['a chart job', 'parse', { sim: { chart: true } }],
];

const accounts: readonly [PlatformSettings, isEnhanced: boolean][] = [
  [{ extract: 'v3', pricing: 'credits' }, false],
  [{ extract: 'v3', pricing: 'usageBreakdown' }, true],
  [{ extract: 'legacy', pricing: 'credits' }, true],
  [{ extract: 'legacy', pricing: 'usageBreakdown' }, false],
];

/** What a document behind a link of a URL result conforms to, by type of result. */
const bodySchemas: Readonly<Record<string, string[]>> = {
  parse: ['FullResult'],
  extract: ['Anything'],
  v3_extract: ['Anything'],
  split: ['SplitResult', 'DeepSplitResult'],
  classify: ['Category'],
};

/** Follows all links of URL results, and returns how many documents conform to their schemas. */
async function checkedBodies(value: unknown): Promise<number> {
  if (typeof value !== 'object' || value === null) return 0;
  let bodies = 0;
  for (const member of Object.values(value)) bodies += await checkedBodies(member);
  if (!('response_type' in value)) return bodies;
  const parts = Object.values(value).filter((part) => violationsOf('UrlResult', part).length === 0);
  for (const part of parts) {
    const { json } = await call(String(Object(part)['url']));
    const names = bodySchemas[String(value.response_type)] ?? [];
    const found = names.map((name) => violationsOf(name, json));
    expect(found.some((violations) => violations.length === 0)).toBe(true);
    bodies += 1;
  }
  return bodies;
}

describe.each(accounts)(
  'every answer conforms to its schema, for account %j',
  (platform, isEnhanced) => {
    test.each(requests)('%s', async (_name, type, given) => {
      const box = await checkedSandbox({ platform }, isEnhanced);
      const target = await receiver();
      const webhook = { mode: 'direct', url: target.url };
      const callback = 'document_url' in given ? { webhook } : { async: { webhook } };
      const body = { ...anyDocument, ...given };
      const id = await submit(box.client, { ...body, ...callback }, type);
      await ended(box.sandbox, id);
      expect(await box.client.job.get(id)).toMatchObject({ status: 'Completed' });
      await box.client.post(`/${type}`, { body });
      await box.client.job.getAll();
      const [received] = await target.count(1);
      expect(violationsOf('Webhook', received?.json)).toEqual([]);
      expect(box.checked).toContain('POST async JobId');
      expect(box.checked).toContain(isEnhanced ? 'GET /job/{id} EnhancedJob' : 'GET /job/{id} Job');
    });

    test.each(requests.filter(([, type]) => type !== 'edit'))(
      '%s, by URL',
      async (name, type, given) => {
        const box = await checkedSandbox({ platform }, isEnhanced);
        const sim = { ...Object(given['sim']), forceUrlResult: true, allLinks: true };
        const result = await box.client.post(`/${type}`, {
          body: { ...anyDocument, ...given, sim },
        });
        const bodies = await checkedBodies(result);
        expect(bodies > 0).toBe(name !== 'a chart job');
      },
    );
  },
);

describe('jobs that do not complete conform to their schemas', () => {
  const outcomes: readonly [string, JobSwitches, string][] = [
    ['a failed job', { outcome: 'failed' }, 'Failed'],
    ['a failed job without a reason', { outcome: 'failed', reason: null }, 'Failed'],
    ['an idle job', { stuck: 'Idle' }, 'Idle'],
    ['a pending job', { stuck: 'Pending' }, 'Pending'],
    ['a working job', { stuck: 'InProgress' }, 'Pending'],
    ['a completing job', { stuck: 'Completing' }, 'Pending'],
  ];

  test.each(outcomes)('%s', async (_name, sim, status) => {
    const box = await checkedSandbox({}, true);
    const id = await submit(box.client, { ...anyDocument, sim });
    await box.sandbox.jobs.waitFor(
      (job) => job.endedAt !== undefined || job.status === (sim.stuck ?? ''),
    );
    expect(await box.client.job.get(id)).toMatchObject({ status });
    await box.client.job.getAll();
    await box.client.job.getAll({ exclude_configs: true, limit: 1 });
  });

  test('a cancelled job', async () => {
    const box = await checkedSandbox();
    const id = await submit(box.client, { ...anyDocument, sim: { stuck: 'Pending' } });
    await box.client.job.cancel(id);
    await ended(box.sandbox, id);
    expect(await box.client.job.get(id)).toMatchObject({
      status: 'Failed',
      error: { name: 'JOB_CANCELLED' },
    });
    expect((await box.client.job.getAll()).jobs[0]?.status).toBe('Cancelled');
  });

  test('a job whose document is not readable, with its synchronous error', async () => {
    const box = await checkedSandbox();
    const file = await toFile(Buffer.from([0xff, 0x00]), 'a.bin');
    const { file_id: input } = await box.client.upload({ file });
    const id = await submit(box.client, { input });
    await ended(box.sandbox, id);
    expect(await box.client.job.get(id)).toMatchObject({ status: 'Failed' });
    await expect(box.client.parse.run({ input })).rejects.toMatchObject({ status: 415 });
  });

  test('the callback of a failed job', async () => {
    const box = await checkedSandbox();
    const target = await receiver();
    const webhook = { mode: 'direct', url: target.url };
    await submit(box.client, { ...anyDocument, async: { webhook }, sim: { outcome: 'failed' } });
    const [received] = await target.count(1);
    expect(violationsOf('Webhook', received?.json)).toEqual([]);
  });
});

test('the answers about a PDF of several pages conform to their schemas', async () => {
  const box = await checkedSandbox();
  const demo = new URL('../../src/dev/demo/rental-agreement.pdf', import.meta.url);
  const file = await toFile(await readFile(demo), 'a.pdf');
  const { file_id: input } = await box.client.upload({ file });
  await box.client.post('/parse', { body: { input, ...allOptions } });
  await box.client.split.run({ input, split_description });
  expect(box.checked).toContain('POST sync ResultOrJobId');
});

describe('answers without results conform to their schemas', () => {
  const key = { authorization: 'Bearer sandbox-key' };
  const json = { ...key, 'content-type': 'application/json' };
  const cases: readonly [string, string, string, RequestInit, number][] = [
    ['the version', 'GET', '/version', {}, 200],
    ['the webhook portal', 'POST', '/configure_webhook', { headers: json }, 200],
    ['an upload without a file', 'POST', '/upload', { headers: json, body: '{}' }, 200],
    ['a refused upload', 'POST', '/upload', { headers: json, body: '{"file":"a"}' }, 422],
    ['a request without a key', 'GET', '/jobs', {}, 401],
    ['an unknown job', 'GET', '/job/none', { headers: key }, 404],
    ['a cancel of an unknown job', 'POST', '/cancel/none', { headers: json }, 404],
    ['a deletion of an unknown job', 'DELETE', '/job/none', { headers: json }, 404],
    ['a deletion of an unknown file', 'DELETE', '/upload/reducto://a.b', { headers: json }, 404],
    ['an unknown path', 'GET', '/nothing', { headers: key }, 404],
    ['an invalid limit', 'GET', '/jobs?limit=501', { headers: key }, 422],
    ['an empty parse', 'POST', '/parse', { headers: json, body: '{}' }, 422],
    ['a document that is no URL', 'POST', '/parse', { headers: json, body: '{"input":"a"}' }, 400],
    ['a body that is no JSON', 'POST', '/parse', { headers: json, body: '{' }, 400],
  ];

  test.each(cases)('%s', async (_name, method, path, init, status) => {
    const box = await checkedSandbox();
    expect((await call(box.url + path, { method, ...init })).status).toBe(status);
  });

  test('the deletion of a job', async () => {
    const box = await checkedSandbox({ platform: { deleteCleanupMs: 0 } });
    const id = await submit(box.client, anyDocument);
    await ended(box.sandbox, id);
    expect(await remove(box, `/job/${id}`)).toBe(202);
    expect(await remove(box, `/job/${id}`)).toBe(410);
    box.sandbox.platform.set({ deleteCleanupMs: 60_000 });
    expect(await remove(box, `/job/${id}`)).toBe(409);
  });

  test('the deletion of a file', async () => {
    const box = await checkedSandbox();
    const { file_id: id } = await box.client.upload();
    expect(await remove(box, `/upload/${id}`)).toBe(200);
    expect(await remove(box, `/upload/${id}`)).toBe(404);
  });

  async function remove(box: CheckedSandbox, path: string): Promise<number> {
    return (await call(box.url + path, { method: 'DELETE', headers: key })).status;
  }
});

test('the schemas find a misspelled member, and a missing response_type', () => {
  expect(
    violationsOf('UrlResult', { type: 'url', url: 'https://a', result_id: 'b', x: 1 }),
  ).toEqual([expect.stringContaining('additional properties')]);
  expect(violationsOf('Result', { job_id: 'a' })).not.toEqual([]);
});
