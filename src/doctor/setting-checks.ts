import { isPrivateHost } from '../platform/config/private-host.js';
import type { Settings } from '../platform/config/settings.js';
import { fail, ok, warn, type Finding } from './finding.js';

/** Checks the settings alone. No finding contains the value of a secret. */
export function checkSettings(settings: Settings, problems: readonly string[]): Finding[] {
  const found = [
    ...problems.map((problem) => fail('settings', problem, SEE)),
    ...settings.warnings().map((warning) => warn('settings', warning, SEE)),
    ...checkKeys(settings),
    ...checkDatabaseUrl(settings),
  ];
  return found.length > 0 ? found : [ok('settings', 'all settings are valid')];
}

const SEE = 'set it as docs/configuration.md says';

/** Keys with so few distinct bytes are not random: 32 random bytes have about 30. */
const FEW_DISTINCT_BYTES = 16;
const FEW_DISTINCT_LETTERS = 12;

function checkKeys(settings: Settings): Finding[] {
  const found: Finding[] = [];
  const fix = 'create one with: openssl rand -base64 32';
  for (const name of ['TOKEN_KEYS', 'AUDIT_KEYS', 'DATA_KEYS'] as const) {
    for (const { version, key } of settings[name] ?? []) {
      const which = `key ${version} of ${name}`;
      if (new Set(key).size <= FEW_DISTINCT_BYTES) {
        found.push(fail('keys', `${which} is not random`, fix));
      } else if (key.every((byte) => byte >= 0x20 && byte < 0x7f)) {
        found.push(warn('keys', `${which} is text instead of random bytes`, fix));
      }
    }
  }
  const admin = settings.BOOTSTRAP_ADMIN_KEY;
  if (admin !== undefined && new Set(admin).size <= FEW_DISTINCT_LETTERS) {
    found.push(
      fail('keys', 'BOOTSTRAP_ADMIN_KEY is easy to guess', 'create one with: openssl rand -hex 24'),
    );
  }
  return found;
}

function checkDatabaseUrl({ DATABASE_URL: text }: Settings): Finding[] {
  if (text === undefined) return [];
  const url = new URL(text);
  const encrypted = /^(require|verify-ca|verify-full|no-verify)$/;
  if (isPrivateHost(url.hostname) || encrypted.test(url.searchParams.get('sslmode') ?? ''))
    return [];
  const message = 'DATABASE_URL leads to a public host without encryption';
  return [warn('settings', message, 'add ?sslmode=verify-full')];
}
