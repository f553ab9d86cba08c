import { describe, expect, test } from 'vitest';
import {
  isJobId,
  isReference,
  referencedIds,
  translateReferences,
} from '../../src/jobs/source-references.js';

const A = '0198c0de-0000-7000-8000-00000000000a';
const B = '0198c0de-0000-7000-8000-00000000000b';
const KNOWN = new Map([
  [A, 'up-a'],
  [B, 'up-b'],
]);

test.each([
  'jobid://x',
  ' jobid://x',
  '\n\tjobid://x',
  'JOBID://x',
  'jobid://',
  'JobId://a\nb',
  '\uFEFFjobid://x',
])('%j is a reference', (text) => {
  expect(isReference(text)).toBe(true);
});

test.each([
  '',
  'jobid',
  'jobid:/x',
  'https://x/?u=jobid://x',
  'reducto://x',
  'xjobid://x',
  7,
  null,
  ['jobid://x'],
  {},
])('%j is none', (value) => {
  expect(isReference(value)).toBe(false);
});

describe('referencedIds', () => {
  test('finds every one, in lists and objects, as it was written', () => {
    const input = [
      'https://x',
      `jobid://${A}`,
      { file_id: ` jobid:// ${B.toUpperCase()} `, deep: [[`JOBID://${A}`]] },
    ];
    expect(referencedIds(input)).toEqual([A, B.toUpperCase(), A]);
  });

  test('answers what is behind the scheme whole, so that a trick does not pass for an id', () => {
    expect(referencedIds(`jobid://${A}/../${B}`)).toEqual([`${A}/../${B}`]);
    expect(referencedIds(`jobid://${A},jobid://${B}`)).toEqual([`${A},jobid://${B}`]);
    expect(referencedIds(`jobid://${A}\njobid://${B}`)).toEqual([`${A}\njobid://${B}`]);
    expect(referencedIds('jobid://')).toEqual(['']);
  });

  test.each([undefined, null, 1, true, 'https://x', [], {}])('finds none in %j', (input) => {
    expect(referencedIds(input)).toEqual([]);
  });
});

describe('translateReferences', () => {
  test('replaces the ids and nothing else, and leaves its argument alone', () => {
    const input = {
      file_id: `jobid://${A.toUpperCase()}`,
      other: ['https://x', null, 1, ` JOBID://${B} `],
    };
    const before = structuredClone(input);
    expect(translateReferences(input, KNOWN)).toEqual({
      file_id: 'jobid://up-a',
      other: ['https://x', null, 1, 'jobid://up-b'],
    });
    expect(input).toEqual(before);
  });

  test('throws rather than let an unknown id through to Reducto', () => {
    expect(() =>
      translateReferences([`jobid://${A}`, 'jobid://up-of-another-service'], KNOWN),
    ).toThrow('upstream id');
    expect(() => translateReferences('jobid://', KNOWN)).toThrow('upstream id');
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
