import { expect, it } from 'vitest';
import { waitSecondsOf } from '../../src/reducto-api/wait-seconds.js';

it.each([
  ['no timeout', {}, 900],
  ['the hour of the SDKs', { 'x-reducto-read-timeout': '3600' }, 900],
  ['a timeout of the Node SDK', { 'x-stainless-timeout': '30' }, 28],
  ['a timeout of the older Python SDK', { 'x-stainless-read-timeout': '600.0' }, 598],
  ['a timeout of seconds', { 'x-reducto-read-timeout': '5' }, 4.5],
  ['two timeouts', { 'x-stainless-timeout': '60', 'x-reducto-read-timeout': '20' }, 18],
  ['a timeout that is no number', { 'x-stainless-timeout': 'never' }, 900],
  ['a timeout of 0', { 'x-stainless-timeout': '0' }, 900],
])('waits less than the client: %s', (_, headers, seconds) => {
  expect(waitSecondsOf(headers)).toBe(seconds);
});
