import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  exceededJsonLimit,
  exceededJsonLimitFairly,
  MAX_JSON_DEPTH,
  MAX_JSON_VALUES,
} from '../../src/platform/json/json-limits.js';

const exceeded = (json: string): string | undefined => exceededJsonLimit(Buffer.from(json));
const list = (length: number, item: string): string => `[${Array(length).fill(item).join(',')}]`;

test.each([
  ['an array of numbers', list(MAX_JSON_VALUES, '1')],
  ['an array of objects', list(MAX_JSON_VALUES / 2 + 1, '{"a":1}')],
  [
    'an object of many members',
    `{${Array.from({ length: MAX_JSON_VALUES }, (_, i) => `"${i}":1`).join(',')}}`,
  ],
  ['an array of empty arrays', list(MAX_JSON_VALUES, '[]')],
  ['text that is not JSON', ','.repeat(5_000_000)],
])('refuses too many values: %s', (_shape, json) => {
  expect(exceeded(json)).toContain(`${MAX_JSON_VALUES} values`);
});

test.each([
  ['arrays', '['.repeat(MAX_JSON_DEPTH + 1)],
  ['objects', '{"a":'.repeat(MAX_JSON_DEPTH + 1)],
  ['millions of arrays', '['.repeat(5_000_000)],
])('refuses nesting that is too deep: %s', (_shape, json) => {
  expect(exceeded(json)).toContain(`${MAX_JSON_DEPTH} deep`);
});

test('accepts nesting up to the limit', () => {
  expect(exceeded('['.repeat(MAX_JSON_DEPTH) + ']'.repeat(MAX_JSON_DEPTH))).toBeUndefined();
});

test('ignores brackets and commas in strings', () => {
  const text = JSON.stringify('[{,"\\'.repeat(100_000));
  expect(exceeded(`[${text},${text}]`)).toBeUndefined();
});

test('does not read beyond an unterminated string', () => {
  expect(exceeded(`"${'\\'.repeat(1001)}`)).toBeUndefined();
});

test('counts the values of the JSON, except for empty containers', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.integer({ min: 1, max: 20 }), (value, copies) => {
      const repeated = Array(MAX_JSON_VALUES).fill(value).slice(0, copies);
      expect(exceeded(JSON.stringify(repeated))).toBeUndefined();
      const many = list(MAX_JSON_VALUES, JSON.stringify(value));
      expect(exceeded(many)).toBeDefined();
    }),
    { numRuns: 20 },
  );
});

test.each([
  ['strings of quotes', `["${'\\"'.repeat(400_000)}"]`],
  ['strings of quotes, one byte further', `["x${'\\"'.repeat(400_000)}"]`],
  ['strings of brackets', `["${'[{,'.repeat(300_000)}"]`],
  [
    'too many values in the last piece',
    `["${'x'.repeat(700_000)}"${',1'.repeat(MAX_JSON_VALUES)}]`,
  ],
  ['nesting across pieces', `["${'x'.repeat(262_050)}",${'['.repeat(MAX_JSON_DEPTH + 1)}`],
])('finds the same limits in chunks as in one piece: %s', async (_shape, json) => {
  const bytes = Buffer.from(json);
  expect(await exceededJsonLimitFairly(bytes)).toBe(exceededJsonLimit(bytes));
});
