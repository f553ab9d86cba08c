import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFairly, truncate } from '../../src/platform/text.js';
import { turnsDuring } from '../support/turns.js';
import { upstreamText } from '../../src/reducto/upstream-text.js';

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom('a', '\ud83d', '\ude00', '😀', '\0', '\n', '\u001b'))
    .map((c) => c.join('')),
);

describe('truncate', () => {
  test('drops a character that the limit would split', () => {
    expect(truncate('ab😀', 3)).toBe('ab');
    expect(truncate('ab😀', 4)).toBe('ab😀');
  });

  test('replaces lone surrogates', () => {
    expect(truncate('a\ud83d', 2)).toBe('a\ufffd');
    expect(truncate('\ude00b', 9)).toBe('\ufffdb');
  });

  test('property: is well-formed, within the limit, and a prefix of the text', () => {
    fc.assert(
      fc.property(anyText, fc.nat(20), (text, maxLength) => {
        const short = truncate(text, maxLength);
        expect(short.isWellFormed()).toBe(true);
        expect(short.length).toBeLessThanOrEqual(maxLength);
        expect(text.toWellFormed().startsWith(short) || short.endsWith('\ufffd')).toBe(true);
      }),
    );
  });
});

describe('upstreamText', () => {
  test('property: is one well-formed line without control characters, within the limit', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 20 }), (text, maxLength) => {
        const line = upstreamText(text, maxLength);
        expect(line.isWellFormed()).toBe(true);
        expect(line.length).toBeLessThanOrEqual(maxLength);
        expect(line).not.toMatch(/\p{Cc}/u);
      }),
    );
  });

  test('keeps emoji that fit', () => {
    expect(upstreamText(' café 😀 ', 10)).toBe('café 😀');
  });
});

test.each([
  ['ASCII', 'x'],
  ['two bytes', 'é'],
  ['surrogate pairs', '\u{1f600}'],
  ['surrogate pairs at odd places', 'x\u{1f600}'],
])('encodes 200,000 characters as UTF-8: %s', async (_kind, character) => {
  for (const text of [character.repeat(200_000), `x${character.repeat(200_000)}`]) {
    expect((await encodeFairly(text)).equals(Buffer.from(text))).toBe(true);
  }
});

test('encodes an empty text as no bytes', async () => {
  expect(await encodeFairly('')).toHaveLength(0);
});

test('pauses while it encodes megabytes', async () => {
  expect(await turnsDuring(() => encodeFairly('é'.repeat(2_000_000)))).toBeGreaterThan(20);
});
