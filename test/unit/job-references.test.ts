import { isJobId } from '../../src/jobs/job.entity.js';
import { describe, expect, test } from 'vitest';
import {
  findReferences,
  MAX_REFERENCES,
  translateReferences,
} from '../../src/jobs/submission/job-references.js';

const A = '0198c0de-0000-7000-8000-00000000000a';
const B = '0198c0de-0000-7000-8000-00000000000b';
const KNOWN = new Map([
  [A, 'up-a'],
  [B, 'up-b'],
]);
const found = async (request: string) =>
  (await findReferences(request)).map(({ id, path }) => [id, path.join('.')]);
const translated = async (request: string) =>
  translateReferences(request, await findReferences(request), KNOWN);

describe('findReferences', () => {
  test.each([
    'jobid://x',
    ' jobid://x',
    '\n\tjobid://x',
    'JOBID://x',
    '\uFEFFjobid://x',
    '\u0000\u001c\u00a0jobid://x ',
    '\u200bjobid://x',
  ])('takes %j for the reference to a job', async (text) => {
    expect(await found(JSON.stringify({ input: text }))).toEqual([['x', 'input']]);
  });

  test.each(['"jobid:\\/\\/x"', '"\\u006aobid://x"', '"\\tjob\\u0069d://x"'])(
    'sees through the escapes of %s',
    async (text) => {
      expect(await found(`[${text}]`)).toEqual([['x', '0']]);
    },
  );

  test.each([
    ['escaped surrogate halves', '\\udb40\\udc01'],
    ['half of a surrogate pair escaped', '\udb40\\udc01'],
    ['a lone surrogate', '\\ud800'],
    ['a megabyte of escaped spaces', '\\u0020'.repeat(170_000)],
    ['a megabyte of escaped line breaks', '\\n'.repeat(500_000)],
    ['a megabyte of tags', '\u{e0001}'.repeat(250_000)],
  ])('finds a reference behind %s', async (_, prefix) => {
    expect(await found(`["${prefix}\\u006aobid:\\/\\/x"]`)).toEqual([['x', '0']]);
  });

  test.each([
    ['spaces', ' '],
    ['escaped spaces', '\\u0020'],
    ['escaped letters', '\\u0041'],
    ['escaped quotes', '\\"'],
    ['backslashes', '\\\\'],
    ['multi-byte characters', 'é'],
    ['emoji', '😀'],
  ])('finds a reference beside 5 MB of %s', async (_, text) => {
    const large = text.repeat(5_000_000 / text.length);
    expect(await found(`["${large}",{"${large}":"jobid://x"}]`)).toHaveLength(1);
  });

  test('yields to the event loop while it reads 5 MB of ignorable characters', async () => {
    let turns = 0;
    const count = (): void => {
      turns += 1;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    await found(`["${'\u00a0'.repeat(5_000_000)}"]`);
    clearImmediate(next);
    expect(turns).toBeGreaterThan(1);
  });

  test.each([
    '',
    '\u{1f600}jobid://x',
    'jobid',
    'jobid:/x',
    'https://x/?u=jobid://x',
    'xjobid://x',
    'reducto://x',
    7,
    null,
    {},
  ])('takes %j for none', async (value) => {
    expect(await found(JSON.stringify({ input: value }))).toEqual([]);
  });

  test('finds references in lists and objects with their paths', async () => {
    const input = [
      'https://x',
      `jobid://${A}`,
      { file_id: ` jobid:// ${B.toUpperCase()} `, deep: [['JOBID://x', 'reducto://a.pdf']] },
    ];
    expect(await found(JSON.stringify({ input }))).toEqual([
      [A, 'input.1'],
      [B.toUpperCase(), 'input.2.file_id'],
      ['x', 'input.2.deep.0.0'],
    ]);
  });

  test('finds references that a later member of the same name hides', async () => {
    expect(await found('{"input":{"file_id":"jobid://x","file_id":"https://y"}}')).toHaveLength(1);
  });

  test.each([[`${A}/../${B}`], [`${A},jobid://${B}`], [`${A}\njobid://${B}`], ['']])(
    'answers what is behind the scheme whole, so that a trick does not pass for an id: %j',
    async (id) => {
      expect(await found(JSON.stringify([`jobid://${id}`]))).toEqual([[id, '0']]);
    },
  );

  test('stops after the maximum number of references', async () => {
    const many = JSON.stringify(Array.from({ length: 5000 }, () => 'jobid://x'));
    expect(await findReferences(many)).toHaveLength(MAX_REFERENCES + 1);
  });
});

describe('translateReferences', () => {
  test('replaces the ids and keeps every other byte', async () => {
    const request = `{ "input": ["jobid:\\/\\/${A.toUpperCase()}", 1.10, " JOBID://${B} "],"a":"\\u0041" }`;
    expect(await translated(request)).toBe(
      '{ "input": ["jobid://up-a", 1.10, "jobid://up-b"],"a":"\\u0041" }',
    );
  });

  test('throws on a reference without an upstream id', async () => {
    await expect(translated(`["jobid://${A}","jobid://up-of-another-service"]`)).rejects.toThrow(
      'upstream id',
    );
    await expect(translated('["jobid://"]')).rejects.toThrow('upstream id');
  });
});

test.each([
  [A, true],
  [A.toUpperCase(), true],
  [`${A} `, false],
  [`{${A}}`, false],
  [A.replaceAll('-', ''), false],
  ['', false],
  ['up-a', false],
])('isJobId(%j) is %s', (id, expected) => {
  expect(isJobId(id)).toBe(expected);
});
