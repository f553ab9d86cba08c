import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { changedSettings } from '../../src/platform/config/changed-settings.js';
import { Settings } from '../../src/platform/config/settings.js';

it('reports no setting that has its default, even where the default was given', () => {
  const environment = { PORT: '3000', ROLES: 'api,webhooks,worker' };
  expect(changedSettings(Settings.load(environment), environment)).toEqual([]);
});

it('reports a setting of the environment with its value', () => {
  const environment = { PORT: '4000' };
  expect(changedSettings(Settings.load(environment), environment)).toEqual([
    'PORT=4000 (environment)',
  ]);
});

it('reports that the gateway replaced a setting of the environment for local use', () => {
  const settings = Settings.load({ PORT: '0' }).with({ PORT: 4100 });
  expect(changedSettings(settings, { PORT: '0' })).toEqual([
    'PORT=4100 (set by the gateway for local use)',
  ]);
});

it('masks a secret and names the file that it came from', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gateway-settings-'));
  const file = join(directory, 'key');
  writeFileSync(file, 'rk-secret\n');
  try {
    const environment = { REDUCTO_API_KEY_FILE: file };
    expect(changedSettings(Settings.load(environment), environment)).toEqual([
      `REDUCTO_API_KEY=******** (file ${file})`,
    ]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it('reports what the gateway filled in for local use', () => {
  const settings = Settings.load({}).with({ DATABASE_POOL_SIZE: 3 });
  expect(changedSettings(settings, {})).toEqual([
    'DATABASE_POOL_SIZE=3 (set by the gateway for local use)',
  ]);
});
