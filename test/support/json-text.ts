import fc from 'fast-check';

/* Generators of JSON texts, including those that a parse and a serialization would alter. */

const whitespace = fc.constantFrom('', '', '', ' ', '\n', '\t ', '\r\n  ');

const NAMES = [
  'constructor',
  '__proto__',
  'prototype',
  'toString',
  'hasOwnProperty',
  'toJSON',
  'then',
  'length',
  '2024',
  '2023',
  '0',
  '-1',
  '',
  'a.b',
  'invoice_number',
  'date',
];

const ESCAPES =
  '\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000 \\u0041 \\ud83d\\ude00 \\ud83d \\uDE00 \\uFFFF'.split(
    ' ',
  );

const characters = fc.oneof(
  fc.constantFrom(...ESCAPES, '/', '{', '}', '[', ']', ',', ':', ' '),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }).map(escapeAsNeeded),
);

const strings = fc.array(characters, { maxLength: 6 }).map((parts) => `"${parts.join('')}"`);

const names = fc.oneof(
  fc.constantFrom(...NAMES).map((name) => JSON.stringify(name)),
  fc.constantFrom('"\\u005f_proto__"', '"const\\u0072uctor"'),
  strings,
);

const NUMBERS =
  '0 -0 -0.0 1.10 1E+2 1e400 -1e-400 9007199254740993 0.1e1 3.141592653589793238462643383279'.split(
    ' ',
  );

const numbers = fc.oneof(
  fc.constantFrom(...NUMBERS),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
);

const { value, object } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(strings, numbers, fc.constantFrom('true', 'false', 'null')),
    tie('object'),
    tie('array'),
  ),
  object: fc
    .array(fc.tuple(whitespace, names, whitespace, whitespace, tie('value'), whitespace), {
      maxLength: 5,
    })
    .map((members) =>
      members.map(([a, name, b, c, item, d]) => `${a}${name}${b}:${c}${item}${d}`).join(','),
    )
    .map((members) => `{${members}}`),
  array: fc
    .array(fc.tuple(whitespace, tie('value'), whitespace), { maxLength: 4 })
    .map((items) => `[${items.map((parts) => parts.join('')).join(',')}]`),
}));

export const jsonTexts = value;
export const jsonObjectTexts = object;
export { whitespace as jsonWhitespace };

/** The escaped form of `JSON.stringify`, without the quotes. */
function escapeAsNeeded(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
