import { describeSettings, Settings } from './settings.js';

/**
 * A line for each setting that differs from its default, with the value and its source: the environment, the file of
 * `NAME_FILE`, or a dev service. Secrets are masked.
 */
export function changedSettings(
  settings: Settings,
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  const defaults = describeSettings(Settings.read({}).settings);
  const given = describeSettings(Settings.read(environment).settings);
  const sourceOf = (name: string, value: unknown): string => {
    if (value !== given[name]) return 'set by the gateway for local use';
    if (environment[name]?.trim()) return 'environment';
    const file = environment[`${name}_FILE`]?.trim();
    return file ? `file ${file}` : 'set by the gateway for local use';
  };
  return Object.entries(describeSettings(settings))
    .filter(([name, value]) => value !== defaults[name])
    .map(([name, value]) => `${name}=${String(value)} (${sourceOf(name, value)})`);
}
