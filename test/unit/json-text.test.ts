import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  appendMembers,
  applyEdits,
  removeMembers,
  withoutWhitespace,
} from '../../src/platform/json/json-edits.js';
import {
  findValue,
  readElements,
  readMembers,
  readMembersFairly,
} from '../../src/platform/json/json-members.js';
import { findStrings } from '../../src/platform/json/json-strings.js';
import { jsonObjectTexts, jsonTexts } from '../support/json-text.js';
import { turnsDuring } from '../support/turns.js';

const all = (): boolean => true;
const sliceOf = (text: string, span: { start: number; end: number } | undefined) =>
  span === undefined ? undefined : text.slice(span.start, span.end);
const membersOf = (text: string) =>
  readMembers(text).map(({ name, value }) => [name, sliceOf(text, value)]);

describe('readMembers', () => {
  test('keeps the order and the text of members', () => {
    expect(membersOf(' { "2024" : 1.10 , "2023":9007199254740993,"a":{"x":[1]} }')).toEqual([
      ['2024', '1.10'],
      ['2023', '9007199254740993'],
      ['a', '{"x":[1]}'],
    ]);
  });

  test('decodes names and returns both members of a repeated name', () => {
    expect(membersOf('{"\\u0061":1,"a":2}')).toEqual([
      ['a', '1'],
      ['a', '2'],
    ]);
  });

  test('finds no members in other values', () => {
    for (const text of ['[]', '1', '"{}"', 'null', '{}', ' { } ']) {
      expect(readMembers(text)).toEqual([]);
    }
  });

  test('property: agrees with JSON.parse about every object', () => {
    fc.assert(
      fc.property(jsonObjectTexts, (text) => {
        const byName = new Map(membersOf(text).map(([name, value]) => [name, value]));
        const parsed: unknown = JSON.parse(text);
        const entries = Object.entries(parsed ?? {});
        expect(
          new Map([...byName].map(([name, value]) => [name, JSON.parse(value ?? '')])),
        ).toEqual(new Map(entries));
      }),
    );
  });
});

describe('readMembersFairly', () => {
  const MEMBERS = 4_000_000;
  test.each([
    ['escaped quotes in a value', `{"a":"${'\\"'.repeat(MEMBERS / 2)}"}`],
    ['escapes in a name', `{"${'\\\\'.repeat(MEMBERS / 2)}\\"":1}`],
    ['empty lists', `{"a":[${'[],'.repeat(MEMBERS / 3)}1]}`],
    ['strings of escapes in lists', `{"a":[${`"${'\\n'.repeat(50_000)}\\"",`.repeat(40)}1]}`],
  ])('pauses while it reads megabytes of %s', async (_shape, text) => {
    expect(await turnsDuring(() => readMembersFairly(text))).toBeGreaterThan(20);
  });

  test('finds the same as readMembers', async () => {
    await fc.assert(
      fc.asyncProperty(jsonObjectTexts, async (text) => {
        expect(await readMembersFairly(text)).toEqual(readMembers(text));
      }),
    );
  });

  test.each([1, 31, 32, 33, 5000])('skips %i characters of whitespace', (count) => {
    const space = ' \t\r\n'.repeat(count).slice(0, count);
    const text = `${space}{${space}"a"${space}:${space}1${space},${space}"b":[${space}2${space}]${space}}${space}`;
    expect(membersOf(text)).toEqual([
      ['a', '1'],
      ['b', `[${space}2${space}]`],
    ]);
    expect(membersOf(`{${space}}`)).toEqual([]);
  });
});

test('readElements finds every element of an array', () => {
  const text = ' [ 1 , [2,3] ,"a,]" ,{"b":[ ]}, null]';
  expect(readElements(text).map((span) => sliceOf(text, span))).toEqual([
    '1',
    '[2,3]',
    '"a,]"',
    '{"b":[ ]}',
    'null',
  ]);
  expect(readElements('[ ]')).toEqual([]);
  expect(readElements('{"a":1}')).toEqual([]);
});

describe('findValue', () => {
  const text = '{"a":1,"result":{"list":[0,{"job_id":"x"}]},"a":[ 2 ]}';

  test('finds values in objects and arrays', () => {
    expect(sliceOf(text, findValue(text, ['result', 'list', 1, 'job_id']))).toBe('"x"');
  });

  test('uses the last member of a repeated name, as JSON.parse does', () => {
    expect(sliceOf(text, findValue(text, ['a']))).toBe('[ 2 ]');
  });

  test('finds nothing at a missing path', () => {
    expect(findValue(text, ['result', 0])).toBeUndefined();
    expect(findValue(text, ['a', 7])).toBeUndefined();
    expect(findValue(text, ['toString'])).toBeUndefined();
  });

  test('finds the whole value at an empty path', () => {
    expect(sliceOf(' 1.10 ', findValue(' 1.10 ', []))).toBe('1.10');
  });
});

describe('findStrings', () => {
  test('returns the position of each string value and skips names', async () => {
    const text = '{"a":["x",{"b\\n":"y\\u0041"}],"c":{},"d":"z","e":[[],["w"]]}';
    const found = await findStrings(text, all, 10);
    expect(found.map(({ value, path }) => [value, ...path])).toEqual([
      ['x', 'a', 0],
      ['yA', 'a', 1, 'b\n'],
      ['z', 'd'],
      ['w', 'e', 1, 0],
    ]);
    expect(found.map(({ span }) => sliceOf(text, span))).toEqual([
      '"x"',
      '"y\\u0041"',
      '"z"',
      '"w"',
    ]);
  });

  test('stops at its limit', async () => {
    expect(await findStrings('["a","b","c"]', all, 2)).toHaveLength(2);
  });

  test('finds exactly the strings of every value, each at its path', async () => {
    await fc.assert(
      fc.asyncProperty(jsonTexts, async (text) => {
        const written: string[] = [];
        JSON.parse(text, (_name, value: unknown) => {
          if (typeof value === 'string') written.push(value);
          return value;
        });
        const found = await findStrings(text, all, 1000);
        // Of members of one name JSON.parse shows the last only.
        expect(found.map(({ value }) => value)).toEqual(expect.arrayContaining(written));
        for (const { value, span } of found)
          expect(JSON.parse(sliceOf(text, span) ?? '')).toBe(value);
      }),
    );
  });
});

describe('removeMembers', () => {
  const remove = (text: string, ...names: string[]) =>
    removeMembers(text, readMembers(text), new Set(names));

  test.each([
    ['{"type":1,"a": 2 }', '{"a": 2 }'],
    ['{ "a" : 2, "type" : 1 }', '{ "a" : 2 }'],
    ['{"a":2,"type":1,"b":3}', '{"a":2,"b":3}'],
    ['{"type":1,"type":2,"a":2,"type":3,"type":4}', '{"a":2}'],
    ['{ "type":1 }', '{  }'],
    ['{"a":1}', '{"a":1}'],
    ['{}', '{}'],
  ])('turns %s into %s', (text, expected) => {
    expect(remove(text, 'type')).toBe(expected);
  });

  test('preserves the text and the order of other members', () => {
    fc.assert(
      fc.property(
        jsonObjectTexts,
        fc.subarray(['constructor', '2024', '', 'date']),
        (text, names) => {
          const kept = membersOf(text).filter(([name]) => !names.includes(name ?? ''));
          const removed = remove(text, ...names);
          JSON.parse(removed);
          expect(membersOf(removed)).toEqual(kept);
        },
      ),
    );
  });
});

describe('appendMembers', () => {
  test.each([
    ['{"a":1}', '{"a":1,"b":[2],"c":3}'],
    ['{}', '{"b":[2],"c":3}'],
    [' { } ', ' { "b":[2],"c":3} '],
    ['{"a":{"x":"}"} }\n', '{"a":{"x":"}"} ,"b":[2],"c":3}\n'],
  ])('turns %j into %j', (text, expected) => {
    expect(appendMembers(text, { b: '[2]', c: '3' })).toBe(expected);
  });

  test('changes nothing without new members', () => {
    expect(appendMembers('{"a":1}', {})).toBe('{"a":1}');
  });
});

test('applyEdits replaces each part once, in any order of the edits', () => {
  const edits = [
    { start: 4, end: 5, replacement: 'E' },
    { start: 0, end: 1, replacement: '' },
    { start: 6, end: 6, replacement: '!' },
  ];
  expect(applyEdits('abcdef', edits)).toBe('bcdEf!');
});

const compacted = (text: string): string =>
  Buffer.concat([...withoutWhitespace(text)].map((piece) => Buffer.from(piece))).toString();

describe('withoutWhitespace', () => {
  test.each([65_532, 65_533, 65_534, 65_535])(
    'keeps a character of two code units behind %i others',
    (count) => {
      const text = `["${'x'.repeat(count)}\u{1f600}y"]`;
      expect(compacted(text)).toBe(text);
    },
  );

  test('removes whitespace between tokens and keeps it in strings', () => {
    expect(compacted(' { "a b" : [ 1.10 ,\n"\\" , \\\\" , " é " ] }\r\n')).toBe(
      '{"a b":[1.10,"\\" , \\\\"," é "]}',
    );
  });

  test('property: preserves the value and the text of every token', async () => {
    await fc.assert(
      fc.asyncProperty(jsonTexts, async (text) => {
        const compact = compacted(text);
        expect(JSON.parse(compact)).toEqual(JSON.parse(text));
        const stringsOf = async (json: string) =>
          (await findStrings(json, all, 1000)).map(({ span }) => sliceOf(json, span));
        expect(await stringsOf(compact)).toEqual(await stringsOf(text));
      }),
    );
  });
});

test('handles nesting that would overflow a recursion', async () => {
  const deep = `{"a":${'['.repeat(100_000)}"x"${']'.repeat(100_000)}}`;
  expect(readMembers(deep)).toHaveLength(1);
  expect((await findStrings(deep, all, 1))[0]?.path).toHaveLength(100_001);
});
