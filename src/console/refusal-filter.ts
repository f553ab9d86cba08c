import { filterOf } from '../admin/refusals.query.js';
import type { RefusalFilter } from '../audit/audit-reads.js';
import { GUARDS, REFUSAL_CAUSES } from '../audit/refusal.js';

export const FILTER_NAMES = ['cause', 'guard', 'outcome', 'address', 'job', 'from', 'to'] as const;

type FilterName = (typeof FILTER_NAMES)[number];

export type FilterValues = Readonly<Partial<Record<FilterName, string>>>;

/** Which refusals a page is about: as it is searched for, and as links and forms pass it on. */
export interface AskedRefusals {
  readonly filter: RefusalFilter;
  readonly values: FilterValues;
  /** What was asked for and cannot be understood; it is left out of the filter. */
  readonly problems: readonly string[];
}

/** Reads what a form or a link asks for. Fields without a value are not there. */
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
  // What the readers let through is what the query of the API takes.
  return { filter: filterOf(values as Parameters<typeof filterOf>[0]), values, problems };
}

/** The page before which a list begins. */
export function cursorOf(given: Readonly<Record<string, unknown>>): string | undefined {
  const text = textOf(given['cursor']);
  return /^\d{1,18}$/.test(text) ? text : undefined;
}

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
    text.length <= limit && !text.includes('\0') ? text : undefined;

/** Also without a time zone, as fields of forms have it: then it is UTC. */
function moment(text: string): string | undefined {
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)) {
    return undefined;
  }
  const zoned = /T/.test(text) && !/(Z|[+-]\d\d:\d\d)$/.test(text) ? `${text}Z` : text;
  const at = new Date(zoned);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

const READERS: Readonly<Record<FilterName, (text: string) => string | undefined>> = {
  cause: oneOf(REFUSAL_CAUSES),
  guard: oneOf(GUARDS),
  outcome: oneOf(['refused', 'observed']),
  address: shorterThan(100),
  job: shorterThan(128),
  from: moment,
  to: moment,
};

const PROBLEMS: Readonly<Record<FilterName, string>> = {
  cause: 'There is no such cause.',
  guard: 'There is no such guard.',
  outcome: 'There is no such outcome.',
  address: 'An address has at most 100 characters.',
  job: 'The ID of a job has at most 128 characters.',
  from: '“From” is not a date with a time.',
  to: '“To” is not a date with a time.',
};
