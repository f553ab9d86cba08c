import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SETTING_TABLE, type SettingName } from '../../src/platform/config/setting-table.js';

/* What can be said of the deployment without Docker. Whether it works is tried by test/smoke. */

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const compose = read('docker-compose.yml');
const example = read('.env.example');

/** The lines of the compose file that belong to `head`, a key at the left or one step from it. */
function block(head: string): string {
  const lines = compose.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`${head}:`));
  if (start === -1) throw new Error(`docker-compose.yml has no ${head}`);
  const indent = /^ */.exec(head)?.[0].length ?? 0;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => /\S/.test(line) && line.search(/\S/) <= indent);
  return rest.slice(0, end === -1 ? undefined : end).join('\n');
}

/** The environment variables that a part of the compose file names. */
function variables(part: string): string[] {
  return [...part.matchAll(/^ +([A-Z][A-Z0-9_]+):/gm)].map(([, name]) => name ?? '');
}

const shared = variables(block('x-shared-settings'));
const environments = {
  migrate: variables(block('  migrate')),
  gateway: [...shared, ...variables(block('  gateway'))],
  callbacks: [...shared, ...variables(block('  callbacks'))],
};
const named = new Set(Object.values(environments).flat());

/** Read by Node itself, and not a setting of the gateway. */
const NODES_OWN = ['NODE_EXTRA_CA_CERTS'];

/** Names in .env.example whose value is an example and no default. */
const EXAMPLES = /TLS_HOST$|_CA_FILE$/;

/** What a container decides for itself. */
const NOT_FOR_OPERATORS: readonly SettingName[] = ['HOST', 'PORT', 'METRICS_HOST', 'DATA_DIR'];

const settingOf = (name: string): string => (isSetting(name) ? name : name.replace(/_FILE$/, ''));

/** A variable of the compose file with a default of its own. */
const VARIABLE = /\$\{([A-Z][A-Z0-9_]+):-([^${}]*)\}/g;

const isSetting = (name: string): name is SettingName => Object.hasOwn(SETTING_TABLE, name);

const fileOf = (setting: string): string => setting.toLowerCase().replaceAll('_', '-');

describe('docker-compose.yml', () => {
  it('names no setting that the gateway does not have', () => {
    const unknown = [...named].filter((name) => !isSetting(settingOf(name)));
    expect(unknown).toEqual(NODES_OWN);
  });

  it('lets every setting be set', () => {
    const known = new Set([...named].map(settingOf));
    const missing = Object.keys(SETTING_TABLE).filter((name) => !known.has(name));
    expect(missing.toSorted()).toEqual(NOT_FOR_OPERATORS.toSorted());
  });

  it('gives every secret as a file, and to whom it belongs', () => {
    for (const [service, names] of Object.entries(environments)) {
      const secrets = names
        .map(settingOf)
        .filter((name) => isSetting(name) && SETTING_TABLE[name].secret);
      expect(names).toEqual(expect.arrayContaining(secrets.map((name) => `${name}_FILE`)));
      expect(names.filter((name) => secrets.includes(name))).toEqual([]);
      const list = /^ {4}secrets:\s*(\[[^\]]*\]|(?:\n {6}- .*)+)/m.exec(block(`  ${service}`))?.[1];
      const given = list?.match(/[a-z][a-z-]+/g) ?? [];
      expect(given.toSorted()).toEqual(secrets.map(fileOf).toSorted());
    }
  });

  it('gives the webhook receiver neither Reducto’s key nor an admin key', () => {
    const wrong = environments.callbacks.filter((name) => /^REDUCTO_|ADMIN|^PUBLIC_URL/.test(name));
    expect(wrong).toEqual([]);
  });

  it('finds every secret among those that deploy/make-secrets.sh makes', () => {
    const script = read('deploy/make-secrets.sh');
    const files = [...compose.matchAll(/SECRETS_DIR:-\.\/secrets\}\/([a-z-]+)/g)];
    expect(files.length).toBeGreaterThan(5);
    for (const [, name] of files) expect(script).toMatch(new RegExp(`\\b${name ?? ''}\\b`));
  });
});

describe('.env.example', () => {
  const entries = [...example.matchAll(/^#?([A-Z][A-Z0-9_]+)=(.*)$/gm)].map(
    ([, name = '', value = '']) => ({ name, value }),
  );
  const defaults = new Map<string, string>();
  // Twice, because the default of one can be made of the default of another.
  const inner = compose.replaceAll(VARIABLE, noteDefault);
  inner.replaceAll(VARIABLE, noteDefault);

  function noteDefault(_: string, name: string, value: string): string {
    defaults.set(name, value);
    return value;
  }

  it('names what the compose file reads, with its default', () => {
    const known = [...named, ...defaults.keys(), 'COMPOSE_PROFILES', 'GATEWAY_CA_FILE'];
    expect(entries.map(({ name }) => name).filter((name) => !known.includes(name))).toEqual([]);
    const different = entries.filter(
      ({ name, value }) => !EXAMPLES.test(name) && value !== (defaults.get(name) ?? value),
    );
    expect(different).toEqual([]);
  });

  it('holds no secret', () => {
    const secrets = entries.filter(
      ({ name }) =>
        isSetting(settingOf(name)) && SETTING_TABLE[settingOf(name) as SettingName].secret,
    );
    expect(secrets).toEqual([]);
  });

  it('leaves out nothing that the compose file reads', () => {
    const known = new Set(entries.map(({ name }) => name));
    const read = [...compose.matchAll(/\$\{([A-Z][A-Z0-9_]+)/g)].map(([, name = '']) => name);
    expect([...new Set(read)].filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('Dockerfile', () => {
  it('builds on the Node that the tests run on', () => {
    const { engines, devDependencies } = JSON.parse(read('package.json')) as {
      engines: { node: string };
      devDependencies: { node: string };
    };
    const version = /^ARG NODE_VERSION=(\S+)$/m.exec(read('Dockerfile'))?.[1];
    expect(version).toBe(devDependencies.node);
    expect(version?.split('.')[0]).toBe(/\d+/.exec(engines.node)?.[0]);
  });
});
