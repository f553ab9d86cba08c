import { describe, expect, it } from 'vitest';
import { printable, shownRequest } from '../../src/audit/redacted-request.js';
import { redact } from '../../src/platform/logging/redaction.js';

const shown = (body: string | Buffer, headers: Record<string, string> = {}) =>
  shownRequest({ method: 'POST', headers, body: Buffer.from(body) }, '/webhooks/reducto');

describe('a request as it is shown', () => {
  it.each([
    ['{"token":"abc"}', '{"token":"[redacted]"}'],
    ['{"a":{"api_key":"abc","b":1}}', '{"a":{"api_key":"[redacted]","b":1}}'],
    ['{"list":[{"password":"x"}]}', '{"list":[{"password":"[redacted]"}]}'],
    ['{"result":{"chunks":["secret plans"]}}', '{"result":"[redacted]"}'],
    ['{"status":"Completed","job_id":"u"}', '{"status":"Completed","job_id":"u"}'],
    ['token=abc&status=x', 'token=[redacted]&status=x'],
    ['{"secret": "abc', '{"secret": "[redacted]'],
    ['', ''],
  ])('blanks secrets and content: %s', (body, sample) => {
    expect(shown(body).bodySample).toBe(sample);
  });

  it('blanks headers whose value is a secret whatever it looks like', () => {
    const headers = {
      authorization: 'x',
      cookie: 'x',
      'svix-signature': 'x',
      'x-api-key': 'x',
      'user-agent': 'Svix-Webhooks/1',
    };
    expect(Object.values(shown('', headers).headers)).toEqual([
      '[redacted]',
      '[redacted]',
      '[redacted]',
      '[redacted]',
      'Svix-Webhooks/1',
    ]);
  });

  it('is never long, however long what came', () => {
    const headers = Object.fromEntries(
      Array.from({ length: 500 }, (_, n) => [`x-${n}`, 'v'.repeat(5000)]),
    );
    expect(JSON.stringify(shown('y'.repeat(65_536), headers)).length).toBeLessThan(20_000);
  });

  it('tells size and hash of the whole body', () => {
    expect(shown('abc')).toMatchObject({
      bodyBytes: 3,
      bodySha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    });
  });
});

it('foreign text comes out on one line that PostgreSQL and a terminal can take', () => {
  expect(printable('a\r\nb\u0000c\u001b[31md\u202ee', 100)).toBe(
    String.raw`a\u000d\u000ab\u0000c\u001b[31md\u202ee`,
  );
  expect(printable('\ud800x', 100)).toBe('\ufffdx');
  expect(printable('x'.repeat(50), 10)).toBe(`${'x'.repeat(10)}…`);
});

// Tried: 64 KiB of one letter took 26 seconds, in which the process answered nobody.
it.each([
  ['one long word', 'x'.repeat(1_000_000)],
  ['many schemes', 'http://'.repeat(150_000)],
  ['many beginnings of a URL with a password', 'a://'.repeat(250_000)],
  ['colons', 'a:'.repeat(500_000)],
  ['white space', `token${' '.repeat(1_000_000)}`],
  ['bearers', 'bearer '.repeat(140_000)],
  ['quotes', '"'.repeat(1_000_000)],
])(
  '%s cannot keep the redaction busy',
  (_, text) => {
    expect(redact(text).length).toBeGreaterThan(0);
    expect(shown(text.slice(0, 65_536)).bodyBytes).toBeLessThanOrEqual(65_536);
  },
  20_000,
);
