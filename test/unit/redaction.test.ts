import { describe, expect, test } from 'vitest';
import { neverPrint, redact } from '../../src/platform/logging/redaction.js';

const TOKEN = `v12.${'aB3_-'.repeat(8)}xyz`;
const KEY = `rgw_${'aB3_-'.repeat(8)}`;
const WHSEC = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

describe('what looks like a secret', () => {
  test.each<[string, string, string]>([
    ['an API key', `key ${KEY}.`, 'key [redacted].'],
    ['a callback token', `token=${TOKEN};`, 'token=[redacted];'],
    ['a token in JSON', `{"token":"${TOKEN}"}`, '{"token":"[redacted]"}'],
    ['two tokens', `${TOKEN} ${TOKEN}`, '[redacted] [redacted]'],
    ['a Svix secret', `${WHSEC}, ${WHSEC}`, '[redacted], [redacted]'],
    ['a bearer header', 'authorization: Bearer abc.def-123==', 'authorization: Bearer [redacted]'],
    ['in small letters', 'bearer abcdefgh', 'bearer [redacted]'],
    ['a basic header', 'Basic dXNlcjpwYXNz', 'Basic [redacted]'],
    [
      'a password in a URL',
      'postgres://user:pa55@db:5432/x',
      'postgres://user:[redacted]@db:5432/x',
    ],
    ['without a user', 'redis://:pa55@host', 'redis://:[redacted]@host'],
    [
      'a presigned URL',
      'GET https://b.s3/x.json?X-Sig=1&b=2 failed',
      'GET https://b.s3/x.json?[redacted] failed',
    ],
    ['one in JSON', '{"url":"https://b/x?sig=1"}', '{"url":"https://b/x?[redacted]"}'],
  ])('%s is taken out, and nothing around it', (_what, text, clean) => {
    expect(redact(text)).toBe(clean);
  });

  test.each([
    'version v1.2.3 of https://example.com/a/b',
    'job 0198c0de-0000-7000-8000-000000000001 took 12 ms',
    'user@example.com wrote: is this v2?',
    'postgres://db:5432/x',
    'a bearer of news',
  ])('"%s" stays', (text) => {
    expect(redact(text)).toBe(text);
  });

  test.each([
    ['a token', TOKEN],
    ['an API key', KEY],
    ['a Svix secret', WHSEC],
    ['a bearer header', `Bearer ${'x'.repeat(30)}`],
  ])(
    '%s at the start of a line is taken out of a finished JSON line, where that is \\n',
    (_what, secret) => {
      for (const space of ['\n', '\t', '\r\n']) {
        const line = JSON.stringify({ msg: `first${space}${secret}${space}last` });
        expect(redact(line)).not.toContain(secret);
      }
    },
  );
});

test.each([
  ['an API key', KEY],
  ['a callback token', TOKEN],
  ['a Svix secret', WHSEC],
])('%s right behind a hyphen or a JSON escape of any kind is taken out', (_what, secret) => {
  expect(redact(`x-${secret} y`)).toBe('x-[redacted] y');
  expect(redact(JSON.stringify({ msg: `\u001b${secret}` }))).not.toContain(secret);
});

describe('known secrets', () => {
  test('are taken out wherever they stand, special characters or not', () => {
    neverPrint('s3cret$&(x');
    expect(redact('as3cret$&(xb s3cret$&(x')).toBe('a[redacted]b [redacted]');
  });

  test('too short ones are left alone, or every line would be blank', () => {
    neverPrint('ab');
    neverPrint('');
    neverPrint(undefined);
    expect(redact('abab')).toBe('abab');
  });

  test('one that begins with another leaves no rest behind', () => {
    neverPrint('sesame-street');
    neverPrint('sesame-street-1234');
    expect(redact('x sesame-street-1234 y')).toBe('x [redacted] y');
  });

  test('one that JSON has to escape is taken out of a finished line', () => {
    neverPrint('quo"te\\slash');
    expect(redact(JSON.stringify({ msg: 'is quo"te\\slash here' }))).toBe(
      '{"msg":"is [redacted] here"}',
    );
  });
});
