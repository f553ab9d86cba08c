import { describe, expect, test } from 'vitest';
import { Settings } from '../../src/platform/config/settings.js';
import { DataCipher, DataKeyError } from '../../src/platform/crypto/data-cipher.js';

const key = (version: number, byte: number): string =>
  `${version}:${Buffer.alloc(32, byte).toString('base64')}`;
const OLD = key(1, 7);
const NEW = key(2, 9);

const cipherOf = (dataKeys?: string): DataCipher =>
  new DataCipher(Settings.load(dataKeys === undefined ? {} : { DATA_KEYS: dataKeys }));

const SECRET = 'whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQ=';
const ROW = 'endpoints/ep_1';

describe('DataCipher with keys', () => {
  test('decrypts what it encrypted', () => {
    const stored = cipherOf(OLD).encrypt(SECRET, ROW);
    expect(cipherOf(OLD).decrypt(stored, ROW)).toBe(SECRET);
    expect(stored).not.toContain('c2VjcmV0');
  });

  test.each(['', 'ä€😀', 'x'.repeat(10_000), 'plain:x', 'aes256gcm:1:AAAA'])(
    'returns every text as it was (case %#)',
    (text) => {
      expect(cipherOf(OLD).decrypt(cipherOf(OLD).encrypt(text, ROW), ROW)).toBe(text);
    },
  );

  test('names the first key in the stored value', () => {
    expect(cipherOf(`${NEW},${OLD}`).encrypt(SECRET, ROW)).toMatch(/^aes256gcm:2:[\w-]+$/);
  });

  test('encrypts one text to a new value each time', () => {
    const cipher = cipherOf(OLD);
    expect(cipher.encrypt(SECRET, ROW)).not.toBe(cipher.encrypt(SECRET, ROW));
  });

  test('decrypts values of an older key after a rotation', () => {
    const stored = cipherOf(OLD).encrypt(SECRET, ROW);
    const rotated = cipherOf(`${NEW},${OLD}`);
    expect(rotated.decrypt(stored, ROW)).toBe(SECRET);
    expect(rotated.isCurrent(stored)).toBe(false);
    expect(rotated.isCurrent(rotated.encrypt(SECRET, ROW))).toBe(true);
  });

  test('reads values that were stored before there were keys', () => {
    const stored = cipherOf().encrypt(SECRET, ROW);
    expect(cipherOf(OLD).decrypt(stored, ROW)).toBe(SECRET);
    expect(cipherOf(OLD).isCurrent(stored)).toBe(false);
  });

  test('names the missing key', () => {
    const stored = cipherOf(OLD).encrypt(SECRET, ROW);
    expect(() => cipherOf(NEW).decrypt(stored, ROW)).toThrow(/^DATA_KEYS lacks key 1, /);
    expect(() => cipherOf().decrypt(stored, ROW)).toThrow(DataKeyError);
  });

  test('refuses a value of another row', () => {
    const stored = cipherOf(OLD).encrypt(SECRET, ROW);
    expect(() => cipherOf(OLD).decrypt(stored, 'endpoints/ep_2')).toThrow(/was changed/);
  });

  test('refuses a key with the same version and other bytes', () => {
    const stored = cipherOf(OLD).encrypt(SECRET, ROW);
    expect(() => cipherOf(key(1, 8)).decrypt(stored, ROW)).toThrow(/another key 1/);
  });

  test('refuses a value that was changed at any place', () => {
    const stored = cipherOf(OLD).encrypt(SECRET, ROW);
    for (let at = 'aes256gcm:1:'.length; at < stored.length - 1; at += 1) {
      const changed = `${stored.slice(0, at)}${stored[at] === 'A' ? 'B' : 'A'}${stored.slice(at + 1)}`;
      expect(() => cipherOf(OLD).decrypt(changed, ROW)).toThrow(DataKeyError);
    }
  });

  test.each(['', SECRET, 'aes256gcm:1:', 'aes256gcm:x:AAAA', 'aes256gcm:1:AA=='])(
    'refuses a stored value of unknown form: %j',
    (stored) => {
      expect(() => cipherOf(OLD).decrypt(stored, ROW)).toThrow(/unknown form/);
    },
  );

  test.each(['aes256gcm:1:AAAA', `aes256gcm:1:${'A'.repeat(38)}`])(
    'refuses a value that is cut: %s',
    (stored) => {
      expect(() => cipherOf(OLD).decrypt(stored, ROW)).toThrow(DataKeyError);
    },
  );

  test('says nothing of the value in an error', () => {
    const stored = `${cipherOf(OLD).encrypt(SECRET, ROW)}A`;
    expect(() => cipherOf(OLD).decrypt(stored, ROW)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(stored.slice(12)) }),
    );
  });
});

describe('DataCipher without keys', () => {
  test('stores plain text with a prefix that says so', () => {
    expect(cipherOf().encrypt(SECRET, ROW)).toBe(`plain:${SECRET}`);
  });

  test('reads its own values', () => {
    expect(cipherOf().decrypt(cipherOf().encrypt(SECRET, ROW), ROW)).toBe(SECRET);
  });
});
