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
const found = (request: string) =>
  findReferences(request).map(({ id, path }) => [id, path.join('.')]);
const translated = (request: string) =>
  translateReferences(request, findReferences(request), KNOWN);

describe('findReferences', () => {
  test.each([
    'jobid://x',
    ' jobid://x',
    '\n\tjobid://x',
    'JOBID://x',
    '\uFEFFjobid://x',
    '\u0000\u001c\u00a0jobid://x ',
    '\u200bjobid://x',
  ])('takes %j for the reference to a job', (text) => {
    expect(found(JSON.stringify({ input: text }))).toEqual([['x', 'input']]);
  });

  test.each(['"jobid:\\/\\/x"', '"\\u006aobid://x"', '"\\tjob\\u0069d://x"'])(
    'sees through the escapes of %s',
    (text) => {
      expect(found(`[${text}]`)).toEqual([['x', '0']]);
    },
  );

  test.each([
    '',
    'jobid',
    'jobid:/x',
    'https://x/?u=jobid://x',
    'xjobid://x',
    'reducto://x',
    7,
    null,
    {},
  ])('takes %j for none', (value) => {
    expect(found(JSON.stringify({ input: value }))).toEqual([]);
  });

  test('finds every one in lists and objects, as they were written, with their paths', () => {
    const input = [
      'https://x',
      `jobid://${A}`,
      { file_id: ` jobid:// ${B.toUpperCase()} `, deep: [['JOBID://x', 'reducto://a.pdf']] },
    ];
    expect(found(JSON.stringify({ input }))).toEqual([
      [A, 'input.1'],
      [B.toUpperCase(), 'input.2.file_id'],
      ['x', 'input.2.deep.0.0'],
    ]);
  });

  test('finds the ones that another member of the same name hides', () => {
    expect(found('{"input":{"file_id":"jobid://x","file_id":"https://y"}}')).toHaveLength(1);
  });

  test.each([[`${A}/../${B}`], [`${A},jobid://${B}`], [`${A}\njobid://${B}`], ['']])(
    'answers what is behind the scheme whole, so that a trick does not pass for an id: %j',
    (id) => {
      expect(found(JSON.stringify([`jobid://${id}`]))).toEqual([[id, '0']]);
    },
  );

  test('stops soon after the number that a request can hold', () => {
    const many = JSON.stringify(Array.from({ length: 5000 }, () => 'jobid://x'));
    expect(findReferences(many)).toHaveLength(MAX_REFERENCES + 1);
  });
});

describe('translateReferences', () => {
  test('replaces the ids and leaves every other byte', () => {
    const request = `{ "input": ["jobid:\\/\\/${A.toUpperCase()}", 1.10, " JOBID://${B} "],"a":"\\u0041" }`;
    expect(translated(request)).toBe(
      '{ "input": ["jobid://up-a", 1.10, "jobid://up-b"],"a":"\\u0041" }',
    );
  });

  test('throws rather than let an unknown id through to Reducto', () => {
    expect(() => translated(`["jobid://${A}","jobid://up-of-another-service"]`)).toThrow(
      'upstream id',
    );
    expect(() => translated('["jobid://"]')).toThrow('upstream id');
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
