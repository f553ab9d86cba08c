import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson } from '../../src/platform/json/canonical-json.js';

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, reversed(item)])
      .toReversed(),
  );
}

test('sorts keys at every depth, and leaves lists in their order', () => {
  expect(canonicalJson({ b: [{ d: 1, c: 2 }, 1], a: { z: null, y: 'ü' } })).toBe(
    '{"a":{"y":"ü","z":null},"b":[{"c":2,"d":1},1]}',
  );
});

test.each([
  [
    [1, 2],
    [2, 1],
  ],
  [{ a: 1 }, { a: '1' }],
  [{ a: null }, {}],
  [{ a: [] }, { a: {} }],
  [{ a: { b: 1 } }, { a: {}, b: 1 }],
  [{ 'a":1,"b': 1 }, { a: 1, b: 1 }],
  [{ a: 'A' }, { A: 'a' }],
  [{ é: 1 }, { 'e\u0301': 1 }],
])('tells %j from %j', (one, other) => {
  expect(canonicalJson(one)).not.toBe(canonicalJson(other));
});

test('keeps a key named __proto__ apart from its absence', () => {
  const one: unknown = JSON.parse('{"b":1,"__proto__":{"z":1,"a":2}}');
  expect(canonicalJson(one)).toBe('{"__proto__":{"a":2,"z":1},"b":1}');
});

test('property: the order of keys does not matter, and the value stays the same', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const plain: unknown = JSON.parse(JSON.stringify(value));
      expect(canonicalJson(reversed(plain))).toBe(canonicalJson(plain));
      expect(JSON.parse(canonicalJson(plain))).toEqual(plain);
    }),
  );
});
