import type { Parse } from './setting-kinds.js';

/** One row of the table of settings; docs/configuration.md shows the description. */
export interface SettingDefinition<T> {
  readonly parse: Parse<T>;
  readonly default: string;
  readonly secret: boolean;
  readonly description: string;
}

type Row<T> = SettingDefinition<T>;

export const setting = <T>(parse: Parse<T>, defaultText: string, description: string): Row<T> => ({
  parse,
  default: defaultText,
  description,
  secret: false,
});

/** A setting without a default: its value is `undefined` if it is not set. */
export const optional = <T>(parse: Parse<T>, description: string): Row<T | undefined> => ({
  parse: (value) => (value === '' ? undefined : parse(value)),
  default: '',
  description,
  secret: false,
});

export const secret = <T>(row: Row<T>): Row<T> => ({ ...row, secret: true });
