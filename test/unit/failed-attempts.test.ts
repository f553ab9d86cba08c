import { expect, test } from 'vitest';
import { FailedAttempts, senderOf } from '../../src/access/failed-attempts.js';
import { Metrics } from '../../src/platform/metrics/metrics.js';

const attempts = (): FailedAttempts => new FailedAttempts(new Metrics());

test('limits a sender to ten failures a minute and says how long to wait', () => {
  const limiter = attempts();
  for (let n = 0; n < 10; n++) expect(limiter.count('192.0.2.1', 'api', 1000)).toBeUndefined();
  expect(limiter.count('192.0.2.1', 'api', 2000)).toBe(59);
  expect(limiter.count('192.0.2.2', 'api', 2000)).toBeUndefined();
});

test('counts the failures of the API and of the console together', () => {
  const limiter = attempts();
  for (let n = 0; n < 10; n++) limiter.count('192.0.2.1', 'api', 1000);
  expect(limiter.count('192.0.2.1', 'console', 1000)).toBeDefined();
});

test('forgets the failures of a sender after a minute', () => {
  const limiter = attempts();
  for (let n = 0; n < 20; n++) limiter.count('192.0.2.1', 'api', 1000);
  expect(limiter.count('192.0.2.1', 'api', 61_001)).toBeUndefined();
});

test('limits all senders together to a hundred failures a minute', () => {
  const limiter = attempts();
  for (let n = 0; n < 100; n++) expect(limiter.count(`192.0.2.${n}`, 'api', 1000)).toBeUndefined();
  expect(limiter.count('198.51.100.1', 'api', 1000)).toBe(60);
});

test.each([
  ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', true],
  ['2001:db8:1:3::1', '2001:db8:1:2::1', false],
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.1', '192.0.2.2', false],
  ['no address', 'no address', true],
])('counts %s and %s as one sender: %s', (one, other, same) => {
  expect(senderOf(one) === senderOf(other)).toBe(same);
});
