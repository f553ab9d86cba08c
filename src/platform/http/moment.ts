import { ValidateBy } from 'class-validator';

const FORM =
  /^(\d{4}-\d\d-\d\d)(T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))?$/i;

/** Parses a date and time of RFC 3339 with its zone, or a date (midnight UTC); `undefined` for any other text. */
export function readMoment(text: string): Date | undefined {
  const [, date, time] = FORM.exec(text) ?? [];
  if (date === undefined) return undefined;
  // `Date` reads February 30 as March 2.
  const day = new Date(`${date}T00:00:00Z`);
  if (Number.isNaN(day.getTime()) || !day.toISOString().startsWith(date)) return undefined;
  return time === undefined ? day : new Date(text.toUpperCase());
}

/** Like `readMoment`, for `datetime-local` fields: seconds and the zone are optional; the default zone is UTC. */
export function readFormMoment(text: string): Date | undefined {
  const withSeconds = /T\d\d:\d\d$/.test(text) ? `${text}:00` : text;
  return readMoment(/T[\d:.]+$/.test(withSeconds) ? `${withSeconds}Z` : withSeconds);
}

/** A parameter that `readMoment` can read. */
export const IsMoment = (): PropertyDecorator =>
  ValidateBy({
    name: 'isMoment',
    validator: {
      validate: (value) => typeof value === 'string' && readMoment(value) !== undefined,
      defaultMessage: () =>
        'must be a date (2026-11-25), or a date and a time with its zone (2026-11-25T18:13:00Z)',
    },
  });
