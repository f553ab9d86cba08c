import { expect, it } from 'vitest';
import { describeSettings, Settings } from '../../src/platform/config/settings.js';

const SECRET = `whsec_${Buffer.alloc(24).toString('base64')}`;

it('alerts are only sent signed', () => {
  expect(() => Settings.load({ ALERT_WEBHOOK_URL: 'https://alerts.example.com/in' })).toThrow(
    'ALERT_WEBHOOK_SECRET is missing',
  );
});

it('alerts travel over https, except to a machine of one’s own', () => {
  const to = (url: string) =>
    Settings.load({ ALERT_WEBHOOK_URL: url, ALERT_WEBHOOK_SECRET: SECRET });
  expect(() => to('http://alerts.example.com')).toThrow('ALERT_WEBHOOK_URL must be https');
  expect(to('http://alerts.internal/in').ALERT_WEBHOOK_URL?.pathname).toBe('/in');
});

it('neither the address of the receiver, which may hold a key, nor the secret is printed', () => {
  const settings = Settings.load({
    ALERT_WEBHOOK_URL: 'https://alerts.example.com/T0/secret',
    ALERT_WEBHOOK_SECRET: SECRET,
  });
  const shown = describeSettings(settings);
  expect([shown['ALERT_WEBHOOK_URL'], shown['ALERT_WEBHOOK_SECRET']]).toEqual([
    '********',
    '********',
  ]);
});
