import { expect, it } from 'vitest';
import { OutageLog } from '../../src/platform/logging/outage-log.js';

function newLog(): { log: OutageLog; pass: (seconds: number) => void } {
  let milliseconds = 0;
  return {
    log: new OutageLog(() => milliseconds),
    pass: (seconds) => void (milliseconds += seconds * 1000),
  };
}

it('writes the first line of an outage and leaves out those that follow', () => {
  const { log, pass } = newLog();
  expect(log.count('request failed')).toBe('write');
  pass(1);
  expect(log.count('request failed')).toBeUndefined();
});

it('writes a summary every 10 s of a lasting outage', () => {
  const { log, pass } = newLog();
  const written = Array.from({ length: 24_000 }, () => {
    pass(0.001);
    return log.count('request failed');
  }).filter((line) => line !== undefined);
  expect(written).toHaveLength(3);
  expect(written[1]).toMatchObject({ leftOut: { 'request failed': expect.any(Number) } });
});

it('summarizes the whole outage at its end', () => {
  const { log, pass } = newLog();
  log.count('request failed');
  for (let n = 0; n < 3; n += 1) log.countRequest();
  pass(9);
  log.count('a task failed');
  expect(log.end()).toEqual({ seconds: 9, requestsRefused: 3, leftOut: { 'a task failed': 1 } });
});

it('summarizes nothing without an outage', () => {
  expect(newLog().log.end()).toBeUndefined();
});

it('starts a new outage after a time without errors', () => {
  const { log, pass } = newLog();
  log.count('request failed');
  pass(60);
  expect(log.isActive).toBe(false);
  expect(log.count('request failed')).toBe('write');
});

it('bounds the messages that it counts separately', () => {
  const { log } = newLog();
  for (let n = 0; n < 1000; n += 1) log.count(`message ${n}`);
  expect(Object.keys(log.end()?.leftOut ?? {}).length).toBeLessThanOrEqual(21);
});
