import 'reflect-metadata';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { Settings } from '../../src/platform/config/settings.js';
import { SvixSignatures } from '../../src/webhooks/guards/svix-signatures.js';

const secretOf = (letter: string) => `whsec_${Buffer.from(letter.repeat(32)).toString('base64')}`;
const FIRST = secretOf('a');
const SECOND = secretOf('b');
const STRANGER = secretOf('c');
const BODY = Buffer.from('{"status":"Completed","job_id":"j1","metadata":{"name":"Zoë"}}');

const signatures = (...secrets: string[]) =>
  new SvixSignatures(Settings.load({ SVIX_SECRETS: secrets.join(',') }));

interface Message {
  secret?: string;
  body?: Buffer;
  prefix?: string;
  id?: string;
  ageSeconds?: number;
}

function headersOf({
  secret = FIRST,
  body = BODY,
  prefix = 'svix',
  id = 'msg_1',
  ageSeconds = 0,
}: Message = {}) {
  const at = new Date(Date.now() - ageSeconds * 1000);
  return {
    [`${prefix}-id`]: id,
    [`${prefix}-timestamp`]: String(Math.floor(at.getTime() / 1000)),
    [`${prefix}-signature`]: new Webhook(secret).sign(id, at, body.toString()),
  };
}

describe('hasSignature', () => {
  test('is true for any signature header, so that omitting the others does not bypass verification', () => {
    const checker = signatures(FIRST);
    expect(checker.hasSignature({ 'svix-id': 'x' })).toBe(true);
    expect(checker.hasSignature({ 'svix-signature': '' })).toBe(true);
    expect(checker.hasSignature({ 'webhook-id': 'x' })).toBe(true);
    expect(checker.hasSignature({ 'webhook-signature': 'x' })).toBe(true);
    expect(checker.hasSignature({ 'content-type': 'application/json' })).toBe(false);
  });
});

describe('verify', () => {
  test.each(['svix', 'webhook'])('accepts a real signature in %s-* headers', (prefix) => {
    expect(signatures(FIRST).verify(headersOf({ prefix }), BODY)).toEqual({
      valid: true,
      secret: 1,
    });
  });

  test('accepts each of two secrets during a rotation and returns its number', () => {
    const checker = signatures(FIRST, SECOND);
    expect(checker.verify(headersOf({ secret: FIRST }), BODY)).toEqual({ valid: true, secret: 1 });
    expect(checker.verify(headersOf({ secret: SECOND }), BODY)).toEqual({ valid: true, secret: 2 });
  });

  test('refuses a secret that is not configured', () => {
    const verdict = signatures(FIRST, SECOND).verify(headersOf({ secret: STRANGER }), BODY);
    expect(verdict).toEqual({ valid: false, cause: 'signature_invalid' });
  });

  test('finds the valid one of several signatures, and skips unknown versions', () => {
    const headers = headersOf();
    const other = headersOf({ secret: STRANGER })['svix-signature'] ?? '';
    const good = headers['svix-signature'] ?? '';
    const mixed = { ...headers, 'svix-signature': `v1a,${'A'.repeat(88)} ${other} v1, v1 ${good}` };
    expect(signatures(FIRST).verify(mixed, BODY)).toEqual({ valid: true, secret: 1 });
  });

  test.each([
    ['the good signature named v1a', (good: string) => good.replace('v1,', 'v1a,')],
    ['named v2', (good: string) => good.replace('v1,', 'v2,')],
    ['without a version', (good: string) => good.replace('v1,', '')],
    ['cut off', (good: string) => good.slice(0, -4)],
    ['with the case changed', (good: string) => good.toLowerCase()],
    ['no signature but the version', () => 'v1,'],
    ['the version alone', () => 'v1'],
    ['many bad ones', () => `v1,${'A'.repeat(43)}= `.repeat(200)],
  ])('refuses %s', (_what, change) => {
    const headers = headersOf();
    const changed = { ...headers, 'svix-signature': change(headers['svix-signature'] ?? '') };
    expect(signatures(FIRST).verify(changed, BODY)).toEqual({
      valid: false,
      cause: 'signature_invalid',
    });
  });

  test('reports a timestamp more than five minutes off as stale', () => {
    const checker = signatures(FIRST, SECOND);
    const stale = { valid: false, cause: 'signature_stale' };
    expect(checker.verify(headersOf({ ageSeconds: 310 }), BODY)).toEqual(stale);
    expect(checker.verify(headersOf({ ageSeconds: -310 }), BODY)).toEqual(stale);
    expect(checker.verify(headersOf({ ageSeconds: 280 }), BODY).valid).toBe(true);
    expect(checker.verify(headersOf({ ageSeconds: -280 }), BODY).valid).toBe(true);
  });

  test('refuses an old message with a new timestamp', () => {
    const old = headersOf({ ageSeconds: 3600 });
    const refreshed = { ...old, 'svix-timestamp': headersOf()['svix-timestamp'] ?? '' };
    expect(signatures(FIRST).verify(refreshed, BODY)).toEqual({
      valid: false,
      cause: 'signature_invalid',
    });
  });

  test('refuses a message with another id', () => {
    const verdict = signatures(FIRST).verify({ ...headersOf(), 'svix-id': 'msg_2' }, BODY);
    expect(verdict).toEqual({ valid: false, cause: 'signature_invalid' });
  });

  test.each([
    ['re-encoded', Buffer.from(JSON.stringify(JSON.parse(BODY.toString()), null, 1))],
    ['with escapes', Buffer.from(BODY.toString().replace('ë', String.raw`\u00eb`))],
    ['with a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), BODY])],
    ['with a line end', Buffer.concat([BODY, Buffer.from('\n')])],
    ['empty', Buffer.alloc(0)],
  ])('refuses the same JSON %s, because the signature covers the bytes', (_how, body) => {
    expect(signatures(FIRST).verify(headersOf(), body)).toEqual({
      valid: false,
      cause: 'signature_invalid',
    });
  });

  test('accepts a signed byte order mark and a signed empty body', () => {
    const marked = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), BODY]);
    expect(signatures(FIRST).verify(headersOf({ body: marked }), marked).valid).toBe(true);
    const empty = Buffer.alloc(0);
    expect(signatures(FIRST).verify(headersOf({ body: empty }), empty).valid).toBe(true);
  });

  test('refuses bytes that are not UTF-8, even if they decode to the same text', () => {
    const broken = Buffer.from([0x7b, 0xff, 0x7d]);
    const verdict = signatures(FIRST).verify(headersOf({ body: broken }), broken);
    expect(verdict).toEqual({ valid: false, cause: 'signature_invalid' });
  });

  test.each(['id', 'timestamp', 'signature'])(
    'calls headers without svix-%s incomplete',
    (name) => {
      const headers = { ...headersOf(), [`svix-${name}`]: undefined };
      const verdict = signatures(FIRST).verify(headers, BODY);
      expect(verdict).toEqual({ valid: false, cause: 'signature_incomplete' });
    },
  );

  test('does not combine svix-* and webhook-* headers', () => {
    const { 'svix-id': _id, ...headers } = headersOf();
    const verdict = signatures(FIRST).verify({ ...headers, 'webhook-id': 'msg_1' }, BODY);
    expect(verdict).toEqual({ valid: false, cause: 'signature_incomplete' });
  });

  test.each(['now', '', '-1', '1e9', '1.5', ' 1', '0x10', '9'.repeat(13)])(
    'refuses the timestamp "%s"',
    (timestamp) => {
      const verdict = signatures(FIRST).verify(
        { ...headersOf(), 'svix-timestamp': timestamp },
        BODY,
      );
      expect(verdict.valid).toBe(false);
    },
  );

  test('refuses every signature if no secret is configured', () => {
    const verdict = signatures().verify(headersOf(), BODY);
    expect(verdict).toEqual({ valid: false, cause: 'svix_not_configured' });
  });
});

test.each(['', '='])('accepts every secret that the settings accept: padding "%s"', (padding) => {
  // 32 bytes are 43 characters and one "=": a secret pasted without it must fail by name or work.
  const secret = `${FIRST.replace(/=+$/, '')}${padding}`;
  expect(signatures(secret).verify(headersOf(), BODY).valid).toBe(true);
});
