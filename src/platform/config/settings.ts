import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { contradictions, missingForProduction } from './setting-rules.js';
import type { SettingDefinition } from './setting-definition.js';
import { SETTING_TABLE, type SettingName, type SettingValues } from './setting-table.js';
import { visibleText } from './visible-text.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** All problems of the settings, in one message. */
export class SettingsError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The settings are not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'SettingsError';
  }
}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the class is the injection token; the table defines its properties
export interface Settings extends SettingValues {}

/** The validated settings of this process; frozen. Inject it by its class. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- see above
export class Settings {
  private constructor(values: SettingValues) {
    Object.assign(this, values);
    Object.freeze(this);
  }

  /**
   * Reads every setting from `environment` and from `NAME_FILE` files.
   * Throws one `SettingsError` that lists all problems, including what production requires.
   */
  static load(environment: Environment): Settings {
    const { settings, problems } = Settings.read(environment);
    if (problems.length > 0) throw new SettingsError(problems);
    return settings;
  }

  /** Like `load`, without throwing: an invalid setting gets its default and an entry in `problems`. */
  static read(environment: Environment): { settings: Settings; problems: readonly string[] } {
    const problems: string[] = [];
    const values: Record<string, unknown> = {};
    for (const [name, definition] of definitions()) {
      try {
        values[name] = definition.parse(givenText(environment, name) ?? definition.default);
      } catch (error) {
        values[name] = definition.parse(definition.default);
        problems.push(`${name} ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    // The loop has filled every row of the table, each with its own parser.
    const settings = new Settings(values as unknown as SettingValues);
    const conflicts = contradictions(settings);
    if (settings.NODE_ENV === 'production') conflicts.push(...missingForProduction(settings));
    // An invalid setting is not reported as missing, too.
    const invalid = new Set(problems.map((problem) => problem.split(' ', 1)[0]));
    problems.push(...conflicts.filter((problem) => !invalid.has(problem.split(' ', 1)[0])));
    return { settings, problems };
  }

  /** A copy with some values replaced, such as the addresses of dev services. */
  with(values: Partial<SettingValues>): Settings {
    return new Settings(Object.assign({}, this, values));
  }

  has(role: SettingValues['ROLES'][number]): boolean {
    return this.ROLES.includes(role);
  }

  /** The process only receives callbacks, so it may be exposed to the internet. */
  get isWebhookOnly(): boolean {
    return this.ROLES.every((role) => role === 'webhooks');
  }

  /** The path of `PUBLIC_URL`, such as `/gw`: the prefix of all links. */
  get pathPrefix(): string {
    return this.PUBLIC_URL?.pathname.replace(/\/+$/, '') ?? '';
  }

  get callbackUrl(): string | undefined {
    return this.PUBLIC_URL && `${this.PUBLIC_URL.origin}${this.pathPrefix}/webhooks/reducto`;
  }

  /** The URL under which services reach the API, without a slash at its end. */
  get apiUrl(): string {
    const url = this.PUBLIC_API_URL ?? this.PUBLIC_URL;
    return url?.href.replace(/\/+$/, '') ?? `http://localhost:${this.PORT}`;
  }

  /** The path of `PUBLIC_API_URL`, such as `/gw`. */
  get apiPathPrefix(): string {
    return this.PUBLIC_API_URL?.pathname.replace(/\/+$/, '') ?? '';
  }

  /** Problems that the gateway warns about at every start. */
  warnings(): string[] {
    const found: string[] = [];
    if (this.has('webhooks')) {
      if (this.GUARD_SOURCE_IP !== 'off' && this.WEBHOOK_IP_ALLOWLIST.length === 0) {
        found.push(
          'WEBHOOK_IP_ALLOWLIST is empty: the gateway accepts callbacks from any address, and only the token or signature protects it',
        );
      }
      for (const name of ['GUARD_SOURCE_IP', 'GUARD_SECRET', 'GUARD_JOB_ID'] as const) {
        if (this[name] !== 'enforce') found.push(`${name} is ${this[name]}: it refuses nothing`);
      }
    }
    if (this.NODE_ENV === 'production' && this.has('worker') && this.PUBLIC_API_URL === undefined) {
      found.push(
        `PUBLIC_API_URL is missing: the links to files in results begin with ${this.apiUrl}`,
      );
    }
    if (this.NODE_ENV === 'production' && this.PUBLIC_URL?.protocol === 'http:') {
      found.push('PUBLIC_URL is http: Reducto sends the callback tokens unencrypted');
    }
    if (this.NODE_ENV === 'production' && !this.isWebhookOnly && this.DATA_KEYS === undefined) {
      found.push('DATA_KEYS is not set: the database holds the secrets of endpoints in plain text');
    }
    return found;
  }
}

/** The effective settings for the startup log; secrets are masked. */
export function describeSettings(settings: Settings): Record<string, unknown> {
  return Object.fromEntries(
    definitions().map(([name, definition]) => {
      const value = settings[name];
      return [name, definition.secret && isGiven(value) ? '********' : printable(value)];
    }),
  );
}

function isGiven(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !(value instanceof URL)
    ? Object.keys(value).length > 0
    : value !== undefined;
}

function printable(value: unknown): unknown {
  if (value instanceof URL) return value.href;
  if (!Array.isArray(value)) return isGiven(value) ? value : '';
  // An address block is a pair.
  return value.map((item: unknown) => (Array.isArray(item) ? item.join('/') : item)).join(',');
}

function definitions(): [SettingName, SettingDefinition<unknown>][] {
  return Object.entries(SETTING_TABLE) as [SettingName, SettingDefinition<unknown>][];
}

function givenText(environment: Environment, name: string): string | undefined {
  const direct = visibleText(environment[name] ?? '', 'has') || undefined;
  const file = visibleText(environment[`${name}_FILE`] ?? '', `has a ${name}_FILE with`);
  if (file === '') return direct;
  if (direct !== undefined) throw new Error(`is given twice, also as ${name}_FILE`);
  return visibleText(contentOf(file, name), `has a file (${name}_FILE) with`) || undefined;
}

function contentOf(file: string, name: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    throw new Error(`cannot be read from the file that ${name}_FILE names`);
  }
  if (!isUtf8(bytes)) throw new Error(`has a file (${name}_FILE) that is not UTF-8 text`);
  return bytes.toString('utf8');
}
