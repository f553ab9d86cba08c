import { isJsonObject } from '../json.js';

/**
 * One declaration of a switch gives its TypeScript type, its validation, and its description in
 * `GET /control/switches`. An unknown name is an error.
 */
export interface Issue {
  loc: (string | number)[];
  msg: string;
  type: string;
}

export interface Switch<T> {
  doc: string;
  read(value: unknown, loc: Issue['loc'], issues: Issue[]): T | undefined;
  members?: Record<string, Switch<unknown>>;
}

export type Setting<S> = S extends Switch<infer T> ? T : never;

type Members = Record<string, Switch<unknown>>;
type Settings<M extends Members> = { [K in keyof M]?: Setting<M[K]> };

function leaf<T>(doc: string, expected: string, accepts: (value: unknown) => value is T) {
  const read: Switch<T>['read'] = (value, loc, issues) => {
    if (accepts(value)) return value;
    issues.push({ loc, msg: `Input should be ${expected}`, type: 'value_error' });
    return undefined;
  };
  return { doc, read };
}

export const flag = (doc: string): Switch<boolean> =>
  leaf(`${doc} (boolean)`, 'a boolean', (value): value is boolean => typeof value === 'boolean');

export const count = (doc: string): Switch<number> =>
  leaf(
    `${doc} (number, 0 or more)`,
    'a number of 0 or more',
    (value): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0,
  );

export const signedCount = (doc: string): Switch<number> =>
  leaf(
    `${doc} (number)`,
    'a number',
    (value): value is number => typeof value === 'number' && Number.isFinite(value),
  );

export const text = (doc: string): Switch<string> =>
  leaf(`${doc} (string)`, 'a string', (value): value is string => typeof value === 'string');

export const textOrNull = (doc: string): Switch<string | null> =>
  leaf(
    `${doc} (string or null)`,
    'a string or null',
    (value): value is string | null => value === null || typeof value === 'string',
  );

export const oneOf = <const T extends string>(doc: string, ...choices: T[]): Switch<T> => {
  const known: ReadonlySet<unknown> = new Set(choices);
  const list = choices.join(' | ');
  return leaf(`${doc} (${list})`, `one of ${list}`, (value): value is T => known.has(value));
};

export const texts = (doc: string): Switch<string[]> =>
  leaf(
    `${doc} (list of strings)`,
    'a list of strings',
    (value): value is string[] =>
      Array.isArray(value) && value.every((item) => typeof item === 'string'),
  );

export const counts = (doc: string): Switch<number[]> =>
  leaf(
    `${doc} (list of numbers)`,
    'a list of numbers of 0 or more',
    (value): value is number[] =>
      Array.isArray(value) &&
      value.every((item) => typeof item === 'number' && Number.isFinite(item) && item >= 0),
  );

export const object = (doc: string): Switch<Record<string, unknown>> =>
  leaf(`${doc} (object)`, 'an object', isJsonObject);

export const anything = (doc: string): Switch<unknown> =>
  leaf(`${doc} (any JSON)`, 'JSON', (value): value is unknown => value !== undefined);

/** A group of optional switches. */
export function group<M extends Members>(doc: string, members: M): Switch<Settings<M>> {
  return {
    doc,
    members,
    read(value, loc, issues) {
      if (!isJsonObject(value)) {
        issues.push({ loc, msg: 'Input should be an object', type: 'value_error' });
        return undefined;
      }
      const settings: Settings<M> = {};
      for (const [name, raw] of Object.entries(value)) {
        const member = Object.hasOwn(members, name) ? members[name] : undefined;
        if (member) Object.assign(settings, { [name]: member.read(raw, [...loc, name], issues) });
        else issues.push({ loc: [...loc, name], msg: 'Unknown switch', type: 'unknown_switch' });
      }
      return settings;
    },
  };
}

export type ReadResult<T> = { ok: true; value: T } | { ok: false; issues: Issue[] };

export function readSwitches<T>(from: Switch<T>, value: unknown, loc: Issue['loc']): ReadResult<T> {
  const issues: Issue[] = [];
  const read = from.read(value, loc, issues);
  return read !== undefined && issues.length === 0
    ? { ok: true, value: read }
    : { ok: false, issues };
}

/** `{ name: doc }` with nested groups: the body of `GET /control/switches`. */
export function describe(from: Switch<unknown>): unknown {
  if (!from.members) return from.doc;
  return Object.fromEntries(
    Object.entries(from.members).map(([name, member]) => [name, describe(member)]),
  );
}
