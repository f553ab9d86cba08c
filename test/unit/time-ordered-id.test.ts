import { version } from 'uuid';
import { expect, it } from 'vitest';
import { timeOrderedId } from '../../src/platform/time-ordered-id.js';

const ids = Array.from({ length: 5000 }, timeOrderedId);

it('makes UUIDs of version 7 that begin with the time', () => {
  expect(ids.filter((id) => version(id) !== 7)).toEqual([]);
  const milliseconds = ids.map((id) => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
  expect(milliseconds.filter((at) => Math.abs(at - Date.now()) > 60_000)).toEqual([]);
});

it('makes ids in ascending order, also within a millisecond', () => {
  expect(ids).toEqual(ids.toSorted());
  expect(new Set(ids).size).toBe(ids.length);
});

it('makes ids with random ends', () => {
  expect(new Set(ids.map((id) => id.slice(24))).size).toBe(ids.length);
});
