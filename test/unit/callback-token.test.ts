import 'reflect-metadata';
import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CallbackTokenService } from '../../src/jobs/callback-token.service.js';
import { Settings } from '../../src/platform/config/settings.js';

const ONE = `1:${Buffer.alloc(32, 1).toString('base64')}`;
const TWO = `2:${Buffer.alloc(32, 2).toString('base64')}`;
const JOB = '0198c0de-0000-7000-8000-000000000001';
const OTHER = '0198c0de-0000-7000-8000-000000000002';

const tokens = (keys: string) => new CallbackTokenService(Settings.load({ TOKEN_KEYS: keys }));

test('signs in the documented form, with the first key', () => {
  const mac = createHmac('sha256', Buffer.alloc(32, 2)).update(JOB).digest('base64url');
  expect(tokens(`${TWO},${ONE}`).signJobId(JOB)).toBe(`v2.${mac}`);
});

test('throws where there is no key to sign with, and verifies nothing then', () => {
  const none = tokens('');
  expect(() => none.signJobId(JOB)).toThrow('TOKEN_KEYS');
  expect(none.verifyToken(JOB, tokens(ONE).signJobId(JOB))).toBeUndefined();
});

test('verifies tokens of the old and the new key during a rotation, and not of a removed one', () => {
  const [before, during, after] = [tokens(ONE), tokens(`${TWO},${ONE}`), tokens(TWO)];
  expect(during.verifyToken(JOB, before.signJobId(JOB))).toBe(1);
  expect(during.verifyToken(JOB, during.signJobId(JOB))).toBe(2);
  expect(after.verifyToken(JOB, during.signJobId(JOB))).toBe(2);
  expect(after.verifyToken(JOB, before.signJobId(JOB))).toBeUndefined();
});

test('refuses the token of another job', () => {
  const both = tokens(`${TWO},${ONE}`);
  expect(both.verifyToken(JOB, both.signJobId(OTHER))).toBeUndefined();
});

describe('refuses', () => {
  const both = tokens(`${TWO},${ONE}`);
  const good = both.signJobId(JOB);
  const mac = good.slice(3);

  test.each([
    ['an empty text', ''],
    ['the version alone', 'v2.'],
    ['no version', mac],
    ['a good signature under the other version', `v1.${mac}`],
    ['a good signature under an unknown version', `v3.${mac}`],
    ['a version with a leading zero', `v02.${mac}`],
    ['a negative version', `v-2.${mac}`],
    ['a huge version', `v${'9'.repeat(400)}.${mac}`],
    ['a capital V', `V2.${mac}`],
    ['one character less', good.slice(0, -1)],
    ['one character more', `${good}A`],
    ['padding', `${good}=`],
    ['a space behind', `${good} `],
    ['a line end behind', `${good}\n`],
    ['a space in front', ` ${good}`],
    ['as many characters, but not bytes', `${good.slice(0, -1)}é`],
    ['as many bytes, but not characters', `${good.slice(0, -2)}é`],
    ['a NUL', `${good.slice(0, -1)}\u0000`],
    ['a lone surrogate', `${good.slice(0, -1)}\uD800`],
    ['two tokens', `${good}${good}`],
  ])('%s', (_what, token) => {
    expect(both.verifyToken(JOB, token)).toBeUndefined();
  });

  test('every change of a single character', () => {
    for (let index = 0; index < good.length; index++) {
      const changed = good[index] === 'A' ? 'B' : 'A';
      const forged = good.slice(0, index) + changed + good.slice(index + 1);
      expect(both.verifyToken(JOB, forged)).toBeUndefined();
    }
    expect(both.verifyToken(JOB, good)).toBe(2);
  });
});
