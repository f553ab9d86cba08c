import { filterOf } from '../admin/refusals.query.js';
import type { RefusalFilter } from '../audit/audit-queries.js';
import { GUARDS, REFUSAL_CAUSES } from '../audit/refusal.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { readFormMoment } from '../platform/http/moment.js';

export const FILTER_NAMES = [
  'cause',
  'guard',
  'outcome',
  'address',
  'job',
  'from',
  'to',
  'repeatsOf',
] as const;

type FilterName = (typeof FILTER_NAMES)[number];

export type FilterValues = Readonly<Partial<Record<FilterName, string>>>;

/** The filter of a page: as the audit reads it, and as links and forms pass it on. */
export interface AskedRefusals {
  readonly filter: RefusalFilter;
  readonly values: FilterValues;
  /** Why values were left out of the filter. */
  readonly problems: readonly string[];
}

/** Reads the query of a link or form. Empty fields count as absent. */
export function askedRefusals(given: Readonly<Record<string, unknown>>): AskedRefusals {
  const values: Partial<Record<FilterName, string>> = {};
  const problems: string[] = [];
  for (const name of FILTER_NAMES) {
    const text = textOf(given[name]);
    if (text === '') continue;
    const value = READERS[name](text);
    if (value === undefined) problems.push(PROBLEMS[name]);
    else values[name] = value;
  }
  // The readers accept only values that the API's query accepts.
  return { filter: filterOf(values as Parameters<typeof filterOf>[0]), values, problems };
}

/** As `askedRefusals`, but throws `invalid_query`: a filter without a part would match more. */
export function requiredRefusals(given: Readonly<Record<string, unknown>>): AskedRefusals {
  const asked = askedRefusals(given);
  if (asked.problems.length > 0) throw new GatewayError('invalid_query', asked.problems.join(' '));
  return asked;
}

/** The page before which a list begins. */
export function cursorOf(given: Readonly<Record<string, unknown>>): string | undefined {
  return entryId(textOf(given['cursor']));
}

/** How many groups of refusals earlier pages show. */
export function skippedOf(given: Readonly<Record<string, unknown>>): number {
  const text = textOf(given['skip']);
  return /^\d{1,4}$/.test(text) ? Number(text) : 0;
}

const entryId = (text: string): string | undefined => (/^\d{1,18}$/.test(text) ? text : undefined);

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}

const oneOf =
  (allowed: readonly string[]) =>
  (text: string): string | undefined =>
    allowed.includes(text) ? text : undefined;

const shorterThan =
  (limit: number) =>
  (text: string): string | undefined =>
    text.length <= limit && !/\p{Cc}/u.test(text) ? text : undefined;

const moment = (text: string): string | undefined => readFormMoment(text)?.toISOString();

const READERS: Readonly<Record<FilterName, (text: string) => string | undefined>> = {
  cause: oneOf(REFUSAL_CAUSES),
  guard: oneOf(GUARDS),
  outcome: oneOf(['refused', 'observed']),
  address: shorterThan(100),
  job: shorterThan(128),
  from: moment,
  to: moment,
  repeatsOf: entryId,
};

const PROBLEMS: Readonly<Record<FilterName, string>> = {
  cause: 'There is no such reason.',
  guard: 'There is no such guard.',
  outcome: 'There is no such outcome.',
  address: 'An address has at most 100 characters.',
  job: 'The ID of a job has at most 128 characters.',
  from: '“From” is not a date with a time.',
  to: '“To” is not a date with a time.',
  repeatsOf: 'The ID of a refusal is a number.',
};
