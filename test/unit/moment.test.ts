import { describe, expect, it } from 'vitest';
import { readFormMoment, readMoment } from '../../src/platform/http/moment.js';

describe('readMoment', () => {
  it.each([
    ['a date as midnight UTC', '2026-11-25', '2026-11-25T00:00:00.000Z'],
    ['UTC', '2026-11-25T18:13:00Z', '2026-11-25T18:13:00.000Z'],
    ['lower case', '2026-11-25t18:13:00z', '2026-11-25T18:13:00.000Z'],
    ['an offset', '2026-11-25T18:13:00+05:45', '2026-11-25T12:28:00.000Z'],
    ['a fraction of a second', '2026-11-25T18:13:00.25Z', '2026-11-25T18:13:00.250Z'],
    ['a leap day', '2028-02-29', '2028-02-29T00:00:00.000Z'],
  ])('reads %s', (_, text, instant) => {
    expect(readMoment(text)?.toISOString()).toBe(instant);
  });

  it.each([
    ['a week date', '2026-W10-1'],
    ['an ordinal date', '2026-329'],
    ['the basic format', '20261125T101010Z'],
    ['a time without a zone', '2026-11-25T18:13:00'],
    ['a time without seconds', '2026-11-25T18:13Z'],
    ['a space instead of T', '2026-11-25 18:13:00Z'],
    ['February 30', '2026-02-30'],
    ['month 13', '2026-13-01'],
    ['hour 24', '2026-11-25T24:00:00Z'],
    ['an offset of 24 hours', '2026-11-25T18:13:00+24:00'],
    ['a year of six digits', '+002026-11-25T18:13:00Z'],
    ['a year alone', '2026'],
    ['milliseconds since 1970', '1790000000000'],
    ['nothing', ''],
    ['surrounding whitespace', ' 2026-11-25'],
  ])('refuses %s', (_, text) => {
    expect(readMoment(text)).toBeUndefined();
  });
});

describe('readFormMoment', () => {
  it.each([
    ['a time without seconds', '2026-11-25T18:13', '2026-11-25T18:13:00.000Z'],
    ['a time without a zone', '2026-11-25T18:13:05', '2026-11-25T18:13:05.000Z'],
    ['an instant with its zone', '2026-11-25T18:13:05-01:00', '2026-11-25T19:13:05.000Z'],
    ['a date', '2026-11-25', '2026-11-25T00:00:00.000Z'],
  ])('reads %s as UTC', (_, text, instant) => {
    expect(readFormMoment(text)?.toISOString()).toBe(instant);
  });
});
