import 'reflect-metadata';
import { describe, expect, test } from 'vitest';
import { CreateJobPipe } from '../../src/jobs/api/create-job.pipe.js';
import { JOB_TYPES, type JobType } from '../../src/jobs/job-type.js';
import type { JobRequest } from '../../src/jobs/job-request.js';
import { GatewayError } from '../../src/platform/errors/error-codes.js';

const pipe = new CreateJobPipe();

const SMALLEST: Record<JobType, Record<string, unknown>> = {
  parse: { input: 'https://x/a.pdf' },
  extract: { input: 'https://x/a.pdf' },
  split: { input: 'https://x/a.pdf', split_description: [{ name: 'a', description: 'b' }] },
  edit: { document_url: 'https://x/a.pdf', edit_instructions: 'sign' },
  classify: { input: 'https://x/a.pdf' },
  pipeline: { input: 'https://x/a.pdf', pipeline_id: 'p' },
};

const transform = (text: string): Promise<JobRequest> =>
  pipe.transform({ value: JSON.parse(text), text });

/** With metadata and body as they parse. */
async function accept(body: unknown) {
  const { type, priority, metadata, body: rest } = await transform(JSON.stringify(body));
  return { type, priority, metadata: JSON.parse(metadata ?? 'null'), body: JSON.parse(rest) };
}

/** The paths that are complained about. Fails where the body is accepted, or where the error is another. */
async function complaints(body: unknown): Promise<string[]> {
  return complaintsAbout(JSON.stringify(body ?? null));
}

async function complaintsAbout(text: string): Promise<string[]> {
  const error: unknown = await transform(text).then(
    () => new Error('it was accepted'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof GatewayError)) throw error;
  expect(error.code).toBe('validation_failed');
  return [...new Set((error.options.errors ?? []).map(({ path }) => path))].toSorted();
}

describe('the body as a whole', () => {
  test.each([null, undefined, 'text', 7, [], [{ type: 'parse', input: 'x' }]])(
    '%j is refused',
    async (body) => {
      expect(await complaints(body)).toEqual([]);
    },
  );

  test.each([
    undefined,
    null,
    '',
    'Parse',
    'parse ',
    'chart',
    ['parse'],
    '__proto__',
    'constructor',
    0,
  ])('the type %j is refused by name', async (type) => {
    expect(await complaints({ type, input: 'x' })).toEqual(['type']);
  });
});

describe.each(JOB_TYPES)('%s', (type) => {
  const body = { type, ...SMALLEST[type] };

  test('is accepted with what it requires, and goes on without the gateway’s fields', async () => {
    expect(await accept(body)).toEqual({
      type,
      priority: false,
      metadata: null,
      body: SMALLEST[type],
    });
  });

  test('separates metadata and priority from the body for Reducto', async () => {
    const full = { ...body, metadata: { note: 'jobid://mine', n: [1] }, priority: true };
    expect(await accept(full)).toEqual({
      type,
      priority: true,
      metadata: { note: 'jobid://mine', n: [1] },
      // Reducto's classify has a priority of its own.
      body: type === 'classify' ? { ...SMALLEST[type], priority: true } : SMALLEST[type],
    });
    expect(await accept({ ...body, metadata: null, priority: null })).toMatchObject({
      priority: false,
      metadata: null,
    });
  });

  test.each(Object.keys(SMALLEST[type]))(
    'refuses to go without %s, or with one of another type',
    async (field) => {
      for (const value of [undefined, null, 7, {}]) {
        expect(await complaints({ ...body, [field]: value })).toEqual([field]);
      }
    },
  );

  test.each(Object.entries(SMALLEST[type]))(
    'passes an empty %s, which the schema of Reducto allows',
    async (field, value) => {
      const empty = Array.isArray(value) ? [] : '';
      expect((await accept({ ...body, [field]: empty })).body).toEqual({
        ...SMALLEST[type],
        [field]: empty,
      });
    },
  );

  test.each(['async', 'async_config', 'webhook'])('refuses %s, even null', async (field) => {
    for (const value of [{}, null, false, '', { mode: 'direct' }]) {
      expect(await complaints({ ...body, [field]: value })).toEqual([field]);
    }
  });

  test('passes on what it does not know untouched, nested too', async () => {
    const unknown = {
      new_option: {
        deep: [{ async: true, webhook: null, type: 'x', url: 'y' }],
        when: '2026-01-01T00:00:00Z',
      },
      'odd key.with/things': [null, 0, -0.5, '', [[]]],
      toString: 'text',
      length: 3,
    };
    const answer = await accept({ ...body, ...unknown });
    expect(answer.body).toEqual({ ...SMALLEST[type], ...unknown });
  });

  test.each(['constructor', '__proto__', 'prototype', 'toString', 'hasOwnProperty', '2024'])(
    'passes on the name %s wherever it is, with any value',
    async (name) => {
      for (const value of ['{}', '{"a":{}}', '1', 'null', '[[]]', '"x"']) {
        const free = `{"${name}":${value}}`;
        const own = JSON.stringify(body).slice(0, -1);
        const text = `${own},"${name}":${value},"instructions":${free},"metadata":${free}}`;
        const { metadata, body: passedOn } = await transform(text);
        expect(metadata).toBe(free);
        expect(passedOn.endsWith(`,"${name}":${value},"instructions":${free}}`)).toBe(true);
      }
    },
  );

  test.each([
    ['other', 'jobid://x'],
    ['other', '  JobID://x'],
    ['other.1', ['a', 'jobid://x']],
    ['other.a.0.b', { a: [{ b: 'jobid://x' }] }],
  ])('refuses jobid:// in another field than input: at %s', async (path, value) => {
    expect(await complaints({ ...body, other: value })).toEqual([path]);
  });

  test('refuses references to more than 1,000 jobs', async () => {
    const many = Array.from({ length: 1001 }, () => 'jobid://x');
    expect(await complaints({ ...body, other: many })).toEqual(['input']);
  });

  test('refuses a field of its own that is given twice, under any spelling', async () => {
    const own = JSON.stringify(body).slice(0, -1);
    for (const [first = ''] of [...Object.entries(body), ['priority'], ['metadata']]) {
      const escaped = `\\u${first.charCodeAt(0).toString(16).padStart(4, '0')}${first.slice(1)}`;
      const again = JSON.stringify(
        Object.entries(body).find(([name]) => name === first)?.[1] ?? null,
      );
      const twice = `${own},"${escaped}":${again},"${first}":${again}}`;
      expect(await complaintsAbout(twice)).toEqual([first]);
    }
  });

  test.each([[[]], ['x'], [7], [true]])(
    'refuses metadata that is no object: %j',
    async (metadata) => {
      expect(await complaints({ ...body, metadata })).toEqual(['metadata']);
    },
  );

  test('limits metadata by its bytes', async () => {
    const metadata = (bytes: number) => ({ a: 'é'.repeat((bytes - 8) / 2) });
    expect((await accept({ ...body, metadata: metadata(16_384) })).metadata).toEqual(
      metadata(16_384),
    );
    expect(await complaints({ ...body, metadata: metadata(16_386) })).toEqual(['metadata']);
  });

  test.each(['true', 1, {}, []])('refuses the priority %j', async (priority) => {
    expect(await complaints({ ...body, priority })).toEqual(['priority']);
  });
});

test('does not break on a value nested thousands deep', async () => {
  const deep = '['.repeat(20_000) + ']'.repeat(20_000);
  const outcome = await transform(`{"type":"parse","input":"x","other":${deep}}`).then(
    () => 'accepted',
    (error: unknown) => (error instanceof GatewayError ? error.code : error),
  );
  expect(['accepted', 'validation_failed']).toContain(outcome);
});

describe('input', () => {
  test.each([
    'https://x',
    'reducto://abc.pdf',
    'jobid://0198c0de-0000-7000-8000-000000000001',
    ['https://x', 'jobid://y'],
    { file_id: 'reducto://abc.pdf', presigned_url: null },
    '',
    ' ',
    [],
    [''],
    { file_id: '' },
    `https://x/?signature=${'x'.repeat(20_000)}`,
  ])('is taken as it is (case %#)', async (input) => {
    expect((await accept({ type: 'parse', input })).body).toEqual({ input });
  });

  test.each([['x', 7], [['x']], { file_id: 7 }, { url: 'x' }, true])(
    'is refused where it is no document (case %#)',
    async (input) => {
      expect(await complaints({ type: 'parse', input })).toEqual(['input']);
    },
  );
});

test('an edit cannot build upon a job: its document_url takes no jobid://', async () => {
  for (const [path, document_url] of [
    ['document_url', 'jobid://x'],
    ['document_url.1', ['a', ' JOBID://x']],
    ['document_url.file_id', { file_id: 'jobid://x' }],
  ] as const) {
    expect(await complaints({ type: 'edit', ...SMALLEST.edit, document_url })).toEqual([path]);
  }
});

test('names every part of a split description that is not right', async () => {
  const split_description = [
    { name: 'a', description: 'b' },
    { name: null, description: 7 },
  ];
  expect(await complaints({ type: 'split', input: 'x', split_description })).toEqual([
    'split_description.1.description',
    'split_description.1.name',
  ]);
});

test('passes empty texts of a split description', async () => {
  const split_description = [{ name: '', description: '' }];
  const { body } = await accept({ type: 'split', input: 'x', split_description });
  expect(body).toEqual({ input: 'x', split_description });
});

test.each([[[[]]], [[[{ name: 'a', description: 'b' }]]], [[null]], [['a']], [[{}]]])(
  'refuses the split descriptions %j',
  async (split_description) => {
    const paths = await complaints({ type: 'split', input: 'x', split_description });
    expect(new Set(paths.map((path) => path.split('.')[0]))).toEqual(
      new Set(['split_description']),
    );
  },
);

test('passes on what a split description has beyond its name', async () => {
  const split_description = [{ name: 'a', description: 'b', partition_key: 'c' }];
  const { body } = await accept({ type: 'split', input: 'x', split_description });
  expect(body).toEqual({ input: 'x', split_description });
});

test('refuses instructions of an extract that are no object', async () => {
  expect(await complaints({ type: 'extract', input: 'x', instructions: 'all' })).toEqual([
    'instructions',
  ]);
  expect(await complaints({ type: 'extract', input: 'x', instructions: [] })).toEqual([
    'instructions',
  ]);
});

test('reports everything that is wrong at once, without the values', async () => {
  const body = {
    type: 'pipeline',
    input: 7,
    pipeline_id: 7,
    async: 'secret-value',
    priority: 'secret-value',
  };
  expect(await complaints(body)).toEqual(['async', 'input', 'pipeline_id', 'priority']);
  const error: unknown = await transform(JSON.stringify(body)).catch((thrown: unknown) => thrown);
  expect(JSON.stringify(error)).not.toContain('secret-value');
});

describe('long lists', () => {
  const fullList = <T>(item: T): T[] => Array<T>(10_000).fill(item);

  test.each([
    ['split', 'split_description', { name: 'a', description: 'b' }],
    ['classify', 'classification_schema', { category: 'a', criteria: ['b'] }],
  ] as const)('pass in a %s as %s', async (type, field, item) => {
    const request = { ...SMALLEST[type], [field]: fullList(item) };
    expect((await accept({ type, ...request })).body).toEqual(request);
  });

  test('have at most 50 errors', async () => {
    const split_description = fullList({ name: 1 });
    const text = JSON.stringify({ type: 'split', input: 'x', split_description });
    const error: unknown = await transform(text).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ options: { errors: { length: 50 } } });
  });

  test('cuts a long name of a field that holds a jobid://', async () => {
    const name = 'n'.repeat(1_000_000);
    const [path = ''] = await complaints({ type: 'parse', input: 'x', [name]: 'jobid://y' });
    expect(path.length).toBeLessThan(300);
  });
});

describe('a document of the legacy form', () => {
  const LEGACY = {
    parse: {},
    extract: { schema: { type: 'object' } },
    split: { split_description: [{ name: 'a', description: 'b' }] },
    pipeline: { pipeline_id: 'p' },
  } as const;

  test.each(Object.entries(LEGACY))('is accepted for a %s', async (type, fields) => {
    const body = { document_url: 'https://x/a.pdf', ...fields };
    expect(await accept({ type, ...body })).toMatchObject({ body });
  });

  test.each(Object.keys(LEGACY))('is refused for a %s beside an input', async (type) => {
    const fields = SMALLEST[type as JobType];
    const body = { type, ...fields, document_url: 'https://x/b.pdf', schema: {} };
    expect(await complaints(body)).toEqual(['document_url']);
  });

  test('is absent if it is null', async () => {
    const request = { input: 'https://x/a.pdf', document_url: null };
    expect((await accept({ type: 'parse', ...request })).body).toEqual(request);
    expect(await complaints({ type: 'parse', document_url: null })).toEqual(['input']);
  });

  test.each([[[7]], [{}], [7]])('is refused if it is %j', async (document) => {
    expect(await complaints({ type: 'parse', document_url: document })).toEqual(['document_url']);
  });

  test.each([undefined, null])('of an extract is refused with the schema %j', async (schema) => {
    const body = { type: 'extract', document_url: 'https://x/a.pdf', schema };
    expect(await complaints(body)).toEqual(['schema']);
  });

  test('can refer to an earlier job', async () => {
    const { references } = await transform('{"type":"parse","document_url":["jobid://a"]}');
    expect(references).toMatchObject([{ id: 'a', path: ['document_url', 0] }]);
  });

  test('is no document of a classify', async () => {
    expect(await complaints({ type: 'classify', document_url: 'https://x/a.pdf' })).toEqual([
      'input',
    ]);
  });
});

describe('a request without a document', () => {
  test.each(['parse', 'extract', 'split', 'classify', 'pipeline'] as const)(
    'of type %s is refused by the name of the field',
    async (type) => {
      const { input: _, ...fields } = SMALLEST[type];
      expect(await complaints({ type, ...fields })).toEqual(['input']);
    },
  );
});

describe('a classify', () => {
  const body = { type: 'classify', input: 'https://x/a.pdf' };

  test.each([true, false])('sends its priority %s to Reducto', async (priority) => {
    expect(await accept({ ...body, priority })).toMatchObject({ priority, body: { priority } });
  });

  test('does not send a priority of null', async () => {
    expect((await accept({ ...body, priority: null })).body).toEqual({ input: body.input });
  });

  test('cannot refer to an earlier job', async () => {
    expect(await complaints({ ...body, input: ['jobid://a'] })).toEqual(['input.0']);
  });

  test.each([
    ['a category that is missing', [{ criteria: ['x'] }], 'classification_schema.0.category'],
    ['criteria that are missing', [{ category: 'a' }], 'classification_schema.0.criteria'],
    [
      'a criterion that is no text',
      [{ category: 'a', criteria: [7] }],
      'classification_schema.0.criteria',
    ],
    ['a schema that is no list', { category: 'a' }, 'classification_schema'],
  ])('with %s is refused by the name of the field', async (_, schema, path) => {
    expect(await complaints({ ...body, classification_schema: schema })).toEqual([path]);
  });

  test.each([[{ category: 'a', criteria: [] }], [{ category: '', criteria: [''] }]])(
    'passes empty lists and texts: %j',
    async (category) => {
      const classification_schema = [category];
      expect((await accept({ ...body, classification_schema })).body).toMatchObject({
        classification_schema,
      });
    },
  );
});
