import { expect, test } from 'vitest';
import { Settings } from '../../src/platform/config/settings.js';
import { redact } from '../../src/platform/logging/redaction.js';
import { neverPrintSettings } from '../../src/platform/logging/secret-settings.js';

test('every secret setting is unprintable afterwards, the password of the database by itself too', () => {
  const key = Buffer.alloc(32, 3);
  neverPrintSettings(
    Settings.load({
      DATABASE_URL: 'postgres://u:pa%24%24word@db/x',
      REDUCTO_API_KEY: 'plain-api-key',
      TOKEN_KEYS: `1:${key.toString('base64')}`,
    }),
  );
  const text = `pa$$word plain-api-key ${key.toString('base64')} ${key.toString('base64url')}`;
  expect(redact(text).replaceAll('[redacted]', '').trim()).toMatch(/^=?$/);
});

test('a database password with a bare percent sign does not stop the start', () => {
  const settings = Settings.load({ DATABASE_URL: 'postgres://u:hundred100%@db/x' });
  expect(() => neverPrintSettings(settings)).not.toThrow();
  expect(redact('hundred100%')).toBe('[redacted]');
});
