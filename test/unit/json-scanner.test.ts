import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  JsonScanner,
  JsonSyntaxError,
  MAX_SCAN_DEPTH,
} from '../../src/platform/json/json-scanner.js';
import { watchedPaths } from '../../src/platform/json/watched-paths.js';

function scan(body: string | Buffer, pieceBytes = 1_000_000): void {
  const bytes = Buffer.from(body);
  const scanner = new JsonScanner();
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    scanner.write(bytes.subarray(at, at + pieceBytes));
  }
  scanner.end();
}

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

/* Grouped as the public JSON conformance suites group their cases. */
const VALID: readonly (string | Buffer)[] = [
  // Values on their own.
  ['null', 'true', 'false', '0', '-0', '42', '""', '"text"', '[]', '{}', '-0.1', '"\\u0041"'],
  // Whitespace.
  [' 1', '1 ', '\t[]\n', '\r\n{}\r\n', '[ ]', '{ }', '[\n1\n,\n2\n]', '{ "a" : 1 , "b" : 2 }'],
  // Numbers.
  ['[1e1]', '[1E1]', '[1e+1]', '[1E-1]', '[0e1]', '[0e+1]', '[-0]', '[-1]', '[-123]', '[123]'],
  ['[123e45]', '[123e65]', '[1E22]', '[1E+2]', '[1E-2]', '[123.456e78]', '[123.456789]'],
  ['[-0.000000000000000000000000000000000000000000000000000000000000001]', '[1.10]', '[ 4]'],
  ['1e400', '-1e400', '9007199254740993', '[0.1e1]', '[20e1]'],
  // Strings.
  ['["\\u0060\\u012a\\u12AB"]', '["\\uD801\\udc37"]', '["\\ud83d\\ude39\\ud83d\\udc8d"]'],
  ['["\\"\\\\\\/\\b\\f\\n\\r\\t"]', '["\\\\u0000"]', '["\\""]', '["a/*b*/c/*d//e"]', '["\\\\a"]'],
  ['["\\u0012"]', '["\\uFFFF"]', '["asd "]', '["\u007f"]', '["\\u0000"]', '["new\\u000Aline"]'],
  ['["\u2028"]', '["\u2029"]', '["\u{1F600}"]', '["\uFFFF"]', '["\u{10FFFF}"]', '["€𝄞"]'],
  ['["\\u002c"]', '["\\uDBFF\\uDFFE"]', '["\\u200B"]', '["\\u2064"]', '["\\uFDD0"]', '" "'],
  // Left to the parser by the RFC; accepted, because nothing is altered.
  ['["\\uDADA"]', '["\\ud800"]', '["\\uDd1e\\uD834"]', '["\\uD888\\u1234"]', '[123123e100000]'],
  ['[-123123123123123123123123123123]', '[0.4e00669999999999999999999999999999]'],
  // Arrays and objects.
  ['[[]   ]', '[""]', '["a"]', '[false]', '[null, 1, "1", {}]', '[null]', '[1\n]', '[2] '],
  ['[1,null,null,null,2]', '{"asd":"sdf", "dfg":"fgh"}', '{"a":"b","a":"c"}', '{"a":"b","a":"b"}'],
  ['{"":0}', '{"foo\\u0000bar": 42}', '{"min": -1.0e+28, "max": 1.0e+28}', '{"a":[]}'],
  ['{"x":[{"id": "x"}], "id": "x"}', '{"__proto__":{"a":1}}', '{"constructor":{},"2":1,"1":2}'],
  ['{"\\u0061":1}', `${'['.repeat(500)}${']'.repeat(500)}`, '{"a":{"b":{"c":[{"d":[]}]}}}'],
].flat();

const INVALID: readonly (string | Buffer)[] = [
  // Nothing, or not all of it.
  ['', ' ', '\n', '[', '{', '[1', '[1,', '["a', '["a"', '["a",\n4\n,1,', '[1,\n1\n,1', '[{}'],
  ['{"a":', '{"a"', '{"a', '{"a":1', '{"a":1,', '{"a":"}', '{"a":[1]', '"', '"a', '"\\', '"\\"'],
  ['"\\u', '"\\u00', '"\\u000', 't', 'tru', 'nul', 'fals', '[tru]', '[nul]', '[fals]', '-', '1.'],
  ['1e', '1e+', '[-', '[1.', '[1e', '["\\uD834\\uDd', '["\\u00', '[[[[', '{"a":{"b":['],
  // More than one value, or something behind it.
  ['1 2', '{}{}', '{"a":1}{"b":2}', '[][]', '[1]x', '{"a":"b"}/**/', '{"a":"b"}//', '{"a":"b"}#'],
  ['[]]', '{}}', '"a"b', '""""', 'nulltrue', '2@', '[1],', '{"a":1},', '{"a":true} "x"', '1,'],
  // Literals.
  ['NaN', 'Infinity', '-Infinity', '[NaN]', '[-NaN]', '{"confidence":NaN}', '[Inf]', 'undefined'],
  ['True', 'FALSE', 'nil', '[truth]', 'TRUE', '[nan]', '[+Inf]', "['a']", '[True]'],
  // Numbers.
  ['[+1]', '[++1234]', '[-01]', '[-1.0.]', '[-2.]', '[.-1]', '[.2e-3]', '[0.1.2]', '[0.3e+]'],
  ['[0.3e]', '[0.e1]', '[0E+]', '[0E]', '[0e+]', '[0e]', '[1.0e+]', '[1.0e-]', '[1.0e]', '[1eE2]'],
  ['[2.e+3]', '[2.e-3]', '[2.e3]', '[9.e+]', '[1 000.0]', '[1+2]', '[0x1]', '[0x42]', '[- 1]'],
  [
    '[-012]',
    '[-.123]',
    '[-1x]',
    '[1ea]',
    '[1.2a-3]',
    '[1.8011670033376514H-308]',
    '[012]',
    '[.123]',
  ],
  ['[1_000]', '[１]', '[1e1.5]', '[1e0x1]', '[-foo]', '[00]', '01', '-', '--1', '1.e'],
  // Strings.
  ['["\\x00"]', '["\\a"]', '["\\\\\\"]', '["\\uD800\\"]', '["\\uD800\\u1"]', '["\\uD800\\u1x"]'],
  ['["\\u00A"]', '["\\uqqqq"]', '["\\"]', "['single']", '["a\u0000a"]', '["new\nline"]', '["\t"]'],
  ['["\\ud8\\u"]', '["\\🌀"]', '[\\u0020"a"]', 'abc', '[\\n]', '["x"\u0000]', '["\\U0041"]'],
  ['["\\ "]', '["\\0"]', '["\\v"]', '["\u001f"]', '["\u000b"]', '"\u0000"'],
  // Arrays.
  ['[1 true]', '["": 1]', '[""],', '[,1]', '[1,,2]', '["x",,]', '["x"]]', '["",]', '[1,]', '[,]'],
  ['[3[4]]', '[   , ""]', '[1}', '["x"', '[a', '[*]', '[""', '[1:2]', '[{]', '[}', ']', '[\u000b]'],
  // Objects.
  ['["x", truth]', '{[: "x"}', '{"x", null}', '{"x"::"b"}', '{"a":"a" 123}', '{key: "value"}'],
  ['{"a" b}', '{:"b"}', '{"a" "b"}', '{"a":', '{1:1}', '{9999E9999:1}', '{null:null,null:null}'],
  ['{"id":0,,,,,}', "{'a':0}", '{"id":0,}', '{"a":"b",,"c":"d"}', '{a: "b"}', '{"a":1 "b":2}'],
  ['{ "foo" : "bar", "a" }', '{"a":1]', '{,"a":1}', '{"a"}', '{"a":}', '}', '{"a":1,"b"}', '{:}'],
  // Structure.
  [
    '<.>',
    '[<null>]',
    '*',
    '{"a":/*comment*/"b"}',
    '// []',
    '{"a":"b"}/**//',
    '\u000c[]',
    '[\u000c]',
  ],
  ['\u2060[]', '[\u2060]', '\u00a0[]', '\uFEFF{}', '\uFEFF', '[\u00a0]', 'é', '{"\u0000":1}'],
  [
    '<!DOCTYPE html><html>',
    '{"a":1}<!-- cached -->',
    '#{}',
    '[open',
    '['.repeat(1000),
    '{"a":'.repeat(1000),
  ],
  // Not UTF-8.
  [bytes('5b 22 ff 22 5d'), bytes('5b 22 e9 22 5d'), bytes('5b 22 c0 af 22 5d'), bytes('5b ff 5d')],
  [bytes('5b 22 ed a0 80 22 5d'), bytes('5b 22 f4 bf bf bf 22 5d'), bytes('5b 22 81 22 5d')],
  [
    bytes('5b 22 e0 ff 22 5d'),
    bytes('5b 22 fc 83 bf bf bf bf 22 5d'),
    bytes('5b 22 f0 80 80 af 22 5d'),
  ],
  [
    bytes('22 e2 82'),
    bytes('22 e2 82 22'),
    bytes('ff fe 5b 00 5d 00'),
    bytes('00 5b 00 5d'),
    bytes('5b 22 5c ff 22 5d'),
  ],
  [bytes('7b 22 e9 22 3a 31 7d'), bytes('31 ff'), bytes('5b 31 65 31 e5 5d'), bytes('5b 30 e5 5d')],
].flat();

describe.each([1, 2, 3, 7, 1_000_000])('in chunks of %d bytes', (size) => {
  test.each(VALID)('accepts %j', (body) => {
    expect(() => scan(body, size)).not.toThrow();
  });

  test.each(INVALID)('refuses %j', (body) => {
    expect(() => scan(body, size)).toThrow(JsonSyntaxError);
  });
});

test('property: accepts exactly what JSON.parse accepts', () => {
  const alphabet = '{}[]",:\\ue+-.019truefalsn \n\u0001é'.split('');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json().map((text) => text),
        fc.array(fc.constantFrom(...alphabet), { maxLength: 12 }).map((all) => all.join('')),
        fc
          .tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.constantFrom('', ...alphabet))
          .map(([text, at, put]) => {
            const place = at % (text.length + 1);
            return text.slice(0, place) + put + text.slice(place + 1);
          }),
      ),
      fc.integer({ min: 1, max: 5 }),
      (text, size) => {
        // Fast-check strings can hold lone surrogates, which no bytes of UTF-8 can.
        const given = text.toWellFormed();
        const accepts = (read: () => unknown): boolean => {
          try {
            read();
            return true;
          } catch {
            return false;
          }
        };
        expect(accepts(() => scan(given, size))).toBe(accepts(() => JSON.parse(given)));
      },
    ),
    { numRuns: 2000 },
  );
});

test('accepts nesting up to the limit', () => {
  expect(() => scan('['.repeat(MAX_SCAN_DEPTH) + ']'.repeat(MAX_SCAN_DEPTH), 65_536)).not.toThrow();
});

test('refuses deeper nesting and names the limit', () => {
  expect(() => scan('['.repeat(MAX_SCAN_DEPTH + 1), 65_536)).toThrow('deeper than 1000000 levels');
});

test('does not include content in the reason', () => {
  expect(() => scan('{"name":"secret" x}')).toThrow(/^not valid JSON at byte 17$/);
});

test('needs no more memory for a string of 150 MB than for one of 1 MB', () => {
  const piece = Buffer.alloc(65_536, 'x');
  const scanner = new JsonScanner();
  scanner.write(Buffer.from('{"content":"'));
  const before = process.memoryUsage();
  let peak = 0;
  for (let sent = 0; sent < 150_000_000; sent += piece.length) {
    scanner.write(piece);
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    peak = Math.max(peak, heapUsed + arrayBuffers);
  }
  scanner.write(Buffer.from('"}'));
  scanner.end();
  expect(peak - before.heapUsed - before.arrayBuffers).toBeLessThan(20_000_000);
});

describe('watched values', () => {
  const found = (paths: Record<string, string>, text: string, size = 1_000_000): string[] => {
    const all: string[] = [];
    const input = Buffer.from(text);
    const scanner = new JsonScanner(watchedPaths(paths), (label, start, end) => {
      all.push(`${label}=${input.subarray(start, end).toString()}`);
    });
    for (let at = 0; at < input.length; at += size) scanner.write(input.subarray(at, at + size));
    scanner.end();
    return all;
  };

  test.each([1, 2, 5, 1000])('are reported with their position, in chunks of %d bytes', (size) => {
    const text =
      ' {"a":"x","b":[{"id": 12 },{"id":"ü\\"y"},7],"c":{"id":{"id":[1]}},"id":true , "d":-1.5e3}';
    expect(
      found({ a: 'a', 'b.*.id': 'item', 'c.id': 'object', id: 'id', d: 'd' }, text, size),
    ).toEqual(['a="x"', 'item=12', 'item="ü\\"y"', 'object={"id":[1]}', 'id=true', 'd=-1.5e3']);
  });

  test.each([1, 3, 1000])('are found under an escaped name, in chunks of %d bytes', (size) => {
    expect(found({ job_id: 'id' }, '{"j\\u006fb_\\u0069d":"x"}', size)).toEqual(['id="x"']);
  });

  test('are reported for each repeat of a name', () => {
    expect(found({ a: 'a' }, '{"a":1,"a":2}')).toEqual(['a=1', 'a=2']);
  });

  test('can be nested, and the inner one is reported first', () => {
    expect(found({ a: 'outer', 'a.*': 'inner' }, '{"a":[1,[2]]}')).toEqual([
      'inner=1',
      'inner=[2]',
      'outer=[1,[2]]',
    ]);
  });

  test('can be the whole document', () => {
    expect(found({ '': 'all' }, ' 12.5 ')).toEqual(['all=12.5']);
    expect(found({ '': 'all' }, '7')).toEqual(['all=7']);
  });

  test.each([
    ['deeper in an object', '{"x":{"job_id":1}}'],
    ['in an array of the path of an object', '[{"job_id":1}]'],
    ['in a container after the watched one', '{"a":{},"b":{"id":1}}'],
    ['under a name with the same prefix only', '{"job_id_":1,"job_i":2}'],
    ['under a name much longer than any watched one', `{"${'job_id'.repeat(100)}":1}`],
    ['as a string', '["job_id"]'],
  ])('are not found %s', (_, text) => {
    expect(found({ job_id: 'id', 'a.id': 'id' }, text)).toEqual([]);
  });

  test('are available up to the end of an incomplete text', () => {
    const scanner = new JsonScanner(watchedPaths({ a: 'a' }));
    scanner.write(Buffer.from('{"a":"x'));
    expect(scanner.openStart).toBe(5);
    scanner.write(Buffer.from('y"'));
    expect(scanner.openStart).toBeUndefined();
  });
});
