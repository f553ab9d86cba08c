import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ClassifyEndpoint } from '../../src/jobs/submission/classify-endpoint.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test('counts as present until Reducto answers otherwise', () => {
  expect(new ClassifyEndpoint().isAbsent).toBe(false);
});

test('counts as absent for an hour, and then a submit asks again', () => {
  const endpoint = new ClassifyEndpoint();
  endpoint.recordAbsent();
  vi.advanceTimersByTime(3_599_000);
  expect(endpoint.isAbsent).toBe(true);
  vi.advanceTimersByTime(1000);
  expect(endpoint.isAbsent).toBe(false);
});

test('later answers do not postpone the next question', () => {
  const endpoint = new ClassifyEndpoint();
  endpoint.recordAbsent();
  vi.advanceTimersByTime(1_800_000);
  endpoint.recordAbsent();
  vi.advanceTimersByTime(1_800_000);
  expect(endpoint.isAbsent).toBe(false);
});
