import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { describeSettings, Settings, SettingsError } from '../../src/platform/config/settings.js';

const KEY = `1:${Buffer.alloc(32, 7).toString('base64')}`;
const WHSEC = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://u:hunter2secret@db/x',
  REDUCTO_API_KEY: 'rk-0123456789',
  PUBLIC_URL: 'https://gateway.example.com/',
  TOKEN_KEYS: KEY,
  AUDIT_KEYS: KEY,
};

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    Settings.load(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

const namesOf = (environment: Record<string, string>): string[] =>
  problemsOf(environment)
    .map((problem) => problem.split(' ')[0] ?? '')
    .toSorted();

function fileWith(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'settings-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'value');
  writeFileSync(path, content);
  return path;
}

describe('load', () => {
  test('works with nothing given, and freezes what it answers', () => {
    const settings = Settings.load({});
    expect(settings).toMatchObject({
      PORT: 3000,
      ROLES: ['api', 'webhooks', 'worker'],
      WEBHOOK_MODE: 'direct',
    });
    expect(Object.isFrozen(settings)).toBe(true);
    expect(() => Object.assign(settings, { PORT: 1 })).toThrow(TypeError);
  });

  test('takes an empty or blank variable for one that is not there', () => {
    expect(Settings.load({ PORT: '', HOST: '  ', DATABASE_URL: ' ' })).toMatchObject({
      PORT: 3000,
      HOST: '127.0.0.1',
      DATABASE_URL: undefined,
    });
  });

  test.each<[string, string]>([
    ['PORT', '65536'],
    ['PORT', '1e3'],
    ['PORT', '-1'],
    ['PORT', '0x50'],
    ['METRICS_PORT', 'none'],
    ['METRICS_PORT', '3000'],
    ['ROLES', 'api,admin'],
    ['ROLES', ','],
    ['NODE_ENV', 'prod'],
    ['GUARD_SECRET', 'Enforce'],
    ['POLL_SCHEDULE_SECONDS', '1,,2'],
    ['POLL_SCHEDULE_SECONDS', '0'],
    ['POLL_SCHEDULE_SECONDS', '-1'],
    ['POLL_SCHEDULE_SECONDS', 'Infinity'],
    ['REDUCTO_BASE_URL', 'ftp://x'],
    ['REDUCTO_BASE_URL', 'platform.reducto.ai'],
    ['REDUCTO_BASE_URL', 'https://user:pw@x'],
    ['PUBLIC_URL', 'https://x/?a=1'],
    ['DATABASE_URL', 'mysql://x'],
    ['TOKEN_KEYS', 'abc'],
    ['TOKEN_KEYS', `1:${Buffer.alloc(31).toString('base64')}`],
    ['TOKEN_KEYS', `${KEY},0${KEY}`],
    ['SVIX_SECRETS', 'whsec_'],
    ['SVIX_SECRETS', Buffer.alloc(24).toString('base64')],
    ['BOOTSTRAP_ADMIN_KEY', 'short'],
    ['WEBHOOK_IP_ALLOWLIST', 'example.com'],
    ['DATA_KEYS', '1:short'],
    ['DATA_KEYS', `${KEY},${KEY}`],
    ['DELIVERY_ALLOWED_NETWORKS', '10.0.0.0/33'],
    ['DELIVERY_ALLOWED_NETWORKS', 'hooks.example.com'],
    ['DELIVERY_ALLOWED_HOSTS', '10.0.0.1'],
    ['DELIVERY_ALLOWED_HOSTS', '[::1]'],
    ['DELIVERY_ALLOWED_HOSTS', '2130706433'],
    ['DELIVERY_ALLOWED_HOSTS', 'hooks.example.com:8443'],
    ['DELIVERY_ALLOWED_HOSTS', 'https://hooks.example.com'],
    ['DELIVERY_ALLOWED_HOSTS', 'hooks.example.com/path'],
    ['DELIVERY_ALLOWED_HOSTS', 'user@hooks.example.com'],
    ['DELIVERY_ALLOWED_HOSTS', 'hooks.example.com.'],
    ['DELIVERY_ALLOWED_HOSTS', '*'],
    ['DELIVERY_ALLOWED_HOSTS', '*.'],
    ['DELIVERY_ALLOWED_HOSTS', 'a.*.example.com'],
    ['DELIVERY_TIMEOUT_SECONDS', '0'],
    ['DELIVERY_CA_FILE', '/nowhere/at/all'],
  ])('refuses %s=%s by name', (name, value) => {
    expect(namesOf({ [name]: value })).toEqual([name]);
  });

  test('requires METRICS_PORT with METRICS_HOST', () => {
    expect(namesOf({ METRICS_HOST: '10.0.0.1' })).toEqual(['METRICS_PORT']);
    expect(namesOf({ METRICS_HOST: '10.0.0.1', METRICS_PORT: '9464' })).toEqual([]);
  });

  test('lists all problems in one message', () => {
    const environment = { PORT: 'x', ROLES: 'y', TOKEN_KEYS: 'z', HOST_FILE: '/nowhere/at/all' };
    expect(namesOf(environment)).toEqual(['HOST', 'PORT', 'ROLES', 'TOKEN_KEYS']);
    expect(() => Settings.load(environment)).toThrow(/PORT[^]*ROLES[^]*TOKEN_KEYS/);
  });

  test('lists missing and invalid settings of production together', () => {
    expect(namesOf({ NODE_ENV: 'production', PORT: 'x', WEBHOOK_MODE: 'none' })).toEqual([
      'AUDIT_KEYS',
      'DATABASE_URL',
      'PORT',
      'REDUCTO_API_KEY',
    ]);
  });

  test('lists what production lacks also where the roles are not readable', () => {
    const names = namesOf({ NODE_ENV: 'production', ROLES: 'nope', WEBHOOK_MODE: 'none' });
    expect(names).toEqual(expect.arrayContaining(['DATABASE_URL', 'ROLES']));
  });

  test('does not repeat a secret in the complaint about it', () => {
    const secret = 'hunter2secret';
    for (const name of ['DATABASE_URL', 'TOKEN_KEYS', 'SVIX_SECRETS', 'BOOTSTRAP_ADMIN_KEY']) {
      expect(problemsOf({ [name]: secret })).toHaveLength(1);
      expect(problemsOf({ [name]: secret }).join('')).not.toContain(secret);
    }
    expect(problemsOf({ REDUCTO_BASE_URL: `https://u:${secret}@x` }).join('')).not.toContain(
      secret,
    );
  });
});

describe('NAME_FILE', () => {
  test('gives any setting, without the line end that editors add', () => {
    expect(
      Settings.load({ REDUCTO_API_KEY_FILE: fileWith('  rk-secret\n\n') }).REDUCTO_API_KEY,
    ).toBe('rk-secret');
    expect(Settings.load({ PORT_FILE: fileWith('8080\r\n') }).PORT).toBe(8080);
  });

  test('together with NAME is a problem, and so is a file that is not there', () => {
    expect(problemsOf({ PORT: '1', PORT_FILE: fileWith('1') })).toEqual([
      'PORT is given twice, also as PORT_FILE',
    ]);
    expect(problemsOf({ TOKEN_KEYS_FILE: '/nowhere/at/all' })).toHaveLength(1);
    expect(problemsOf({ TOKEN_KEYS_FILE: tmpdir() })).toHaveLength(1);
  });

  test('an empty file gives nothing: production still misses it', () => {
    const { REDUCTO_API_KEY: _key, ...rest } = PRODUCTION;
    expect(namesOf({ ...rest, REDUCTO_API_KEY_FILE: fileWith('\n') })).toEqual(['REDUCTO_API_KEY']);
  });
});

describe('addresses', () => {
  test.each([
    ['198.51.100.7', '198.51.100.7/32'],
    ['198.51.100.0/24', '198.51.100.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['::ffff:198.51.100.7', '198.51.100.7/32'],
    ['::ffff:198.51.100.0/120', '198.51.100.0/24'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
  ])('%s means %s', (given, meant) => {
    const settings = Settings.load({ WEBHOOK_IP_ALLOWLIST: ` ${given} ,` });
    expect(describeSettings(settings)['WEBHOOK_IP_ALLOWLIST']).toBe(meant);
  });

  test.each([
    '198.51.100.0/33',
    '2001:db8::/129',
    '198.51.100.0/',
    '/24',
    '198.51.100.0/-1',
    '198.51.100.0/24/24',
    '198.51.100.0/255.255.255.0',
    '198.51.100',
    '010.0.0.1',
    '0x0a000001',
    '198.51.100.7:443',
    '[::1]',
    '198.51.100.7 198.51.100.8',
    '*',
  ])('%s is refused', (given) => {
    expect(namesOf({ TRUSTED_PROXIES: given })).toEqual(['TRUSTED_PROXIES']);
  });
});

describe('PUBLIC_URL', () => {
  test.each([
    'http://gateway.example.com',
    'http://8.8.8.8',
    'http://[2606:4700::1]',
    'http://localhost.example.com',
  ])('refuses plain %s', (url) => {
    expect(namesOf({ PUBLIC_URL: url })).toEqual(['PUBLIC_URL']);
  });

  test.each([
    'http://127.0.0.1:3000',
    'http://[::1]:3000',
    'http://localhost',
    'http://10.1.2.3',
    'http://gateway',
    'http://gw.internal',
  ])('accepts plain %s, with a warning in production only', (url) => {
    expect(Settings.load({ PUBLIC_URL: url }).warnings().join()).not.toContain('PUBLIC_URL');
    expect(
      Settings.load({ ...PRODUCTION, PUBLIC_URL: url })
        .warnings()
        .join(),
    ).toContain('PUBLIC_URL');
  });

  test('is followed by the path of the callbacks, with one slash', () => {
    const callbackUrl = (url: string) => Settings.load({ PUBLIC_URL: url }).callbackUrl;
    expect(callbackUrl('https://x.example.com')).toBe('https://x.example.com/webhooks/reducto');
    expect(callbackUrl('https://x.example.com/base/')).toBe(
      'https://x.example.com/base/webhooks/reducto',
    );
    expect(Settings.load({}).callbackUrl).toBeUndefined();
  });
});

describe('production', () => {
  test('starts with what it needs', () => {
    expect(namesOf(PRODUCTION)).toEqual([]);
  });

  test.each<[string, Record<string, string>, string[]]>([
    [
      'all roles',
      {},
      ['AUDIT_KEYS', 'DATABASE_URL', 'PUBLIC_URL', 'REDUCTO_API_KEY', 'TOKEN_KEYS'],
    ],
    ['polling only', { WEBHOOK_MODE: 'none' }, ['AUDIT_KEYS', 'DATABASE_URL', 'REDUCTO_API_KEY']],
    [
      'Svix',
      { WEBHOOK_MODE: 'svix' },
      ['AUDIT_KEYS', 'DATABASE_URL', 'PUBLIC_URL', 'REDUCTO_API_KEY', 'SVIX_SECRETS', 'TOKEN_KEYS'],
    ],
    [
      'the callback door alone',
      { ROLES: 'webhooks' },
      ['AUDIT_KEYS', 'DATABASE_URL', 'TOKEN_KEYS'],
    ],
    ['the API alone', { ROLES: 'api' }, ['AUDIT_KEYS', 'DATABASE_URL', 'REDUCTO_API_KEY']],
  ])('lists the missing settings for %s', (_what, environment, missing) => {
    expect(namesOf({ NODE_ENV: 'production', ...environment })).toEqual(missing);
  });

  test('nothing of it is needed outside', () => {
    expect(namesOf({ WEBHOOK_MODE: 'svix' })).toEqual([]);
  });
});

test('warns of an empty allowlist and of guards that refuse nothing, where callbacks arrive', () => {
  const warnings = (environment: Record<string, string>) =>
    Settings.load(environment).warnings().join('\n');
  expect(warnings({})).toContain('WEBHOOK_IP_ALLOWLIST');
  expect(warnings({ WEBHOOK_IP_ALLOWLIST: '10.0.0.0/8' })).toBe('');
  expect(warnings({ GUARD_SECRET: 'observe' })).toContain('GUARD_SECRET is observe');
  expect(warnings({ ROLES: 'api', GUARD_SECRET: 'off' })).toBe('');
});

describe('settings of deliveries', () => {
  test.each([
    ['hooks.example.com', 'hooks.example.com'],
    ['*.Example.COM', '*.example.com'],
    ['receiver', 'receiver'],
    ['my_service.internal', 'my_service.internal'],
    ['bücher.example', 'xn--bcher-kva.example'],
  ])('DELIVERY_ALLOWED_HOSTS reads %s as %s', (given, read) => {
    expect(Settings.load({ DELIVERY_ALLOWED_HOSTS: given }).DELIVERY_ALLOWED_HOSTS).toEqual([read]);
  });

  test('DELIVERY_CA_FILE refuses a file without a certificate', () => {
    expect(problemsOf({ DELIVERY_CA_FILE: fileWith('no PEM') })).toEqual([
      'DELIVERY_CA_FILE names a file without a certificate in PEM form',
    ]);
  });

  test('DELIVERY_CA_FILE refuses a certificate that cannot be read', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    expect(problemsOf({ DELIVERY_CA_FILE: fileWith(pem) })).toEqual([
      'DELIVERY_CA_FILE names a file with a certificate that cannot be read',
    ]);
  });

  test('production warns of missing DATA_KEYS where endpoints are', () => {
    const warnings = (environment: Record<string, string>) =>
      Settings.load({ ...PRODUCTION, ...environment })
        .warnings()
        .join();
    expect(warnings({})).toContain('DATA_KEYS');
    expect(warnings({ DATA_KEYS: KEY })).not.toContain('DATA_KEYS');
    expect(warnings({ ROLES: 'webhooks' })).not.toContain('DATA_KEYS');
    expect(Settings.load({}).warnings().join()).not.toContain('DATA_KEYS');
  });
});

describe('describeSettings', () => {
  test('masks every secret that is given and shows which are not', () => {
    const secrets = {
      DATABASE_URL: 'postgres://u:hunter2secret@db/x',
      REDUCTO_API_KEY: 'rk-hunter2secret',
      TOKEN_KEYS: KEY,
      SVIX_SECRETS: WHSEC,
      BOOTSTRAP_ADMIN_KEY: 'hunter2secret'.repeat(3),
    };
    const shown = describeSettings(Settings.load(secrets));
    for (const name of Object.keys(secrets)) expect(shown[name]).toBe('********');
    const text = JSON.stringify(shown);
    for (const secret of ['hunter2secret', KEY.slice(2), WHSEC.slice(6)])
      expect(text).not.toContain(secret);
    const none = describeSettings(Settings.load({}));
    for (const name of Object.keys(secrets)) expect(none[name] ?? '').toBe('');
  });

  test('prints everything else as it would be given', () => {
    const shown = describeSettings(
      Settings.load({
        PUBLIC_URL: 'https://x.example.com',
        ROLES: 'api,worker',
        TRUSTED_PROXIES: '10.0.0.0/8, ::1',
      }),
    );
    expect(shown).toMatchObject({
      PORT: 3000,
      PUBLIC_URL: 'https://x.example.com/',
      ROLES: 'api,worker',
      TRUSTED_PROXIES: '10.0.0.0/8,::1/128',
    });
  });
});

test('with() answers frozen settings of the same kind and leaves the old ones', () => {
  const old = Settings.load({ PUBLIC_URL: 'https://a.example.com' });
  const changed = old.with({ PUBLIC_URL: new URL('https://b.example.com') });
  expect(changed.callbackUrl).toBe('https://b.example.com/webhooks/reducto');
  expect(changed.PORT).toBe(3000);
  expect(Object.isFrozen(changed)).toBe(true);
  expect(old.callbackUrl).toBe('https://a.example.com/webhooks/reducto');
});
