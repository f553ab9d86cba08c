import { validate as isUuid } from 'uuid';
import { isServiceName } from '../access/service-name.js';
import { JOB_ERROR_CODES, type JobErrorCode } from '../jobs/job-error.js';
import { JOB_TYPES, type JobType } from '../jobs/job-type.js';
import { SEARCHED_STATUSES, type JobSearch, type Period } from '../jobs/jobs-admin.service.js';
import { readFormMoment } from '../platform/http/moment.js';
import { truncate } from '../platform/text.js';

/** Whether `from` and `to` mean the acceptance or the end of a job. */
export const TIMES = ['accepted', 'ended'] as const;

type Name = 'id' | 'service' | 'status' | 'type' | 'code' | 'time' | 'from' | 'to';

export type JobSearchValues = Readonly<Partial<Record<Name, string>>>;

/** The filter of a page: as the jobs are searched, and as links pass it on. */
export interface AskedJobs {
  readonly search: JobSearch;
  readonly values: JobSearchValues;
  /** Why values were left out of the search. */
  readonly problems: readonly string[];
}

export function askedJobs(given: Readonly<Record<string, unknown>>): AskedJobs {
  const problems: string[] = [];
  const read = <T>(name: Name, reader: (text: string) => T | undefined): T | undefined => {
    const text = textOf(given[name]);
    if (text === '') return undefined;
    const value = reader(text);
    if (value === undefined) problems.push(PROBLEMS[name]);
    return value;
  };
  const id = read('id', (text) => (/^[\x21-\x7e]{1,128}$/.test(text) ? text : undefined));
  const service = read('service', (text) => (isServiceName(text) ? text : undefined));
  const status = read('status', oneOf(SEARCHED_STATUSES));
  const type = read('type', oneOf<JobType>(JOB_TYPES));
  const code = read('code', oneOf<JobErrorCode>(JOB_ERROR_CODES));
  const time = read('time', oneOf(TIMES)) ?? 'accepted';
  const from = read('from', readFormMoment);
  const to = read('to', readFormMoment);
  const before = textOf(given['cursor']);
  const hasPeriod = from !== undefined || to !== undefined;
  const chosen = withoutGaps({ id, service, status, type, code });
  return {
    search: {
      ...chosen,
      ...(hasPeriod ? { [time]: withoutGaps<Period>({ from, to }) } : {}),
      ...(isUuid(before) ? { before } : {}),
    },
    values: {
      ...chosen,
      ...(hasPeriod ? { time } : {}),
      ...withoutGaps({ from: from?.toISOString(), to: to?.toISOString() }),
    },
    problems,
  };
}

const PROBLEMS: Readonly<Record<Name, string>> = {
  id: 'An ID has 1 to 128 printable ASCII characters.',
  service: 'There is no such service.',
  status: 'There is no such status.',
  type: 'There is no such type.',
  code: 'There is no such reason.',
  time: '“Time” is “accepted” or “ended”.',
  from: '“From” is not a date with a time.',
  to: '“To” is not a date with a time.',
};

const oneOf =
  <T extends string>(allowed: readonly T[]) =>
  (text: string): T | undefined =>
    allowed.find((known) => known === text);

type WithoutGaps<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

function withoutGaps<T extends object>(values: {
  [Name in keyof T]: T[Name] | undefined;
}): WithoutGaps<T> {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as WithoutGaps<T>;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? truncate(value.trim(), 129) : '';
}
