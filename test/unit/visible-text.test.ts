import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Settings } from '../../src/platform/config/settings.js';

const problemsOf = (environment: Record<string, string>): readonly string[] =>
  Settings.read(environment).problems;

function fileWith(content: string | Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'settings-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'value');
  writeFileSync(path, content);
  return path;
}

const INVISIBLE: readonly (readonly [string, string])[] = [
  ['a zero width space', '\u200b'],
  ['a byte order mark', '\ufeff'],
  ['a soft hyphen', '\u00ad'],
  ['a right-to-left override', '\u202e'],
  ['a word joiner', '\u2060'],
  ['a variation selector', '\ufe0f'],
  ['a tag character', '\u{e0041}'],
  ['a Hangul filler', '\u3164'],
  ['a no-break space', '\u00a0'],
  ['an ideographic space', '\u3000'],
  ['a line separator', '\u2028'],
  ['a line feed', '\n'],
  ['a tab', '\t'],
  ['an escape', '\u001b'],
  ['a C1 control', '\u0085'],
  ['a lone surrogate', '\ud800'],
  ['a NUL', '\0'],
];

describe('names the setting without its value if it refuses one', () => {
  it.each(INVISIBLE)('that contains %s', (_case, character) => {
    const [problem, ...others] = problemsOf({ REDUCTO_API_KEY: `secret${character}value` });
    expect(problem).toMatch(/^REDUCTO_API_KEY has the invisible character U\+[0-9A-F]{4,6} /);
    expect(problem).not.toMatch(/secret|value/);
    expect(others).toEqual([]);
  });

  it.each(INVISIBLE.filter(([, character]) => !/[\t\n]/.test(character)))(
    'that ends with %s',
    (_case, character) => {
      expect(problemsOf({ HOST: `127.0.0.1${character}` })).toEqual([
        expect.stringMatching(/^HOST has the invisible character/),
      ]);
    },
  );

  it('whose file contains a zero width space', () => {
    expect(problemsOf({ REDUCTO_API_KEY_FILE: fileWith('\u200bkey') })).toEqual([
      'REDUCTO_API_KEY has a file (REDUCTO_API_KEY_FILE) with the invisible character U+200B at position 1',
    ]);
  });

  it('whose file has two lines', () => {
    expect(problemsOf({ REDUCTO_API_KEY_FILE: fileWith('key\r\nother\r\n') })).toEqual([
      expect.stringContaining('REDUCTO_API_KEY has a file'),
    ]);
  });

  it.each([
    ['UTF-16 little endian', Buffer.from('\ufeffkey', 'utf16le')],
    ['UTF-16 without a byte order mark', Buffer.from('key', 'utf16le')],
    ['UTF-16 big endian', Buffer.from('\ufeffkey', 'utf16le').swap16()],
    ['Latin-1', Buffer.from('schlüssel', 'latin1')],
  ])('whose file is %s', (_case, content) => {
    expect(problemsOf({ REDUCTO_API_KEY_FILE: fileWith(content) })).toEqual([
      expect.stringMatching(/^REDUCTO_API_KEY has a file \(REDUCTO_API_KEY_FILE\) /),
    ]);
  });

  it('whose file name contains a zero width space', () => {
    expect(problemsOf({ REDUCTO_API_KEY_FILE: '/run/secrets/\u200bkey' })).toEqual([
      expect.stringContaining('REDUCTO_API_KEY has a REDUCTO_API_KEY_FILE with'),
    ]);
  });

  it('that is a header value and not ASCII', () => {
    expect(problemsOf({ REDUCTO_API_KEY: 'schlüssel' })).toEqual([
      expect.stringMatching(/^REDUCTO_API_KEY must be printable ASCII/),
    ]);
  });

  it('that is a header value with a percent-encoded line feed', () => {
    expect(problemsOf({ OTEL_EXPORTER_OTLP_HEADERS: 'key=a%0Ab' })).toEqual([
      expect.stringMatching(/^OTEL_EXPORTER_OTLP_HEADERS must be printable ASCII/),
    ]);
  });
});

it('accepts spaces, quotes, dollar signs, and letters of any language in a path', () => {
  const path = "/data/o'brien $HOME/Пример 資料";
  expect(Settings.load({ DATA_DIR: path }).DATA_DIR).toBe(path);
});

it('accepts a file with trailing line breaks and spaces', () => {
  const settings = Settings.load({ REDUCTO_API_KEY_FILE: fileWith('  key \r\n\n') });
  expect(settings.REDUCTO_API_KEY).toBe('key');
});
