import { expect, it, onTestFinished, vi } from 'vitest';
import { RepeatedEvents } from '../../src/platform/logging/repeated-events.js';

function newEvents(): { events: RepeatedEvents; written: [string, number][] } {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const written: [string, number][] = [];
  return { events: new RepeatedEvents((kind, count) => void written.push([kind, count])), written };
}

it('logs the number of repeats of an event after 10 s', () => {
  const { events, written } = newEvents();
  const first = Array.from({ length: 1000 }, () => events.isFirst('unavailable'));
  expect(first.filter(Boolean)).toHaveLength(1);
  vi.advanceTimersByTime(10_000);
  expect(written).toEqual([['unavailable', 999]]);
});

it('counts each kind of event separately', () => {
  const { events } = newEvents();
  expect([events.isFirst('unavailable'), events.isFirst('upstream_unavailable')]).toEqual([
    true,
    true,
  ]);
});

it('starts a new count after 10 s without an event', () => {
  const { events, written } = newEvents();
  events.isFirst('unavailable');
  vi.advanceTimersByTime(10_000);
  expect(events.isFirst('unavailable')).toBe(true);
  expect(written).toEqual([]);
});
