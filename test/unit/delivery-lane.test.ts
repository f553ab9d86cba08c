import { expect, it } from 'vitest';
import { laneOf } from '../../src/deliveries/delivering/delivery-lane.js';

const HOST = 'https://hooks.example.com';
const lanesOf = (paths: readonly string[]): Set<number> =>
  new Set(paths.map((path) => laneOf(HOST + path)));

it.each(['/hook?job=', '/hook?team=a&job='])(
  'URLs of %s and the number of the job share one lane',
  (path) => {
    expect(lanesOf(Array.from({ length: 500 }, (_, n) => path + n)).size).toBe(1);
  },
);

it('paths with the id of the job have few lanes, and none of them is that of another path', () => {
  const ids = Array.from({ length: 500 }, () => `/jobs/${crypto.randomUUID()}`);
  const lanes = lanesOf(ids);
  expect(lanes.size).toBeLessThanOrEqual(4);
  expect(lanes.has(laneOf(`${HOST}/ok/7`))).toBe(false);
});

it('any URLs of an origin have at most 64 lanes for first attempts, all even and above 0', () => {
  const letters = (n: number): string =>
    n.toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)] ?? '');
  const lanes = [...lanesOf(Array.from({ length: 5000 }, (_, n) => `/${letters(n)}/${n}`))];
  expect(lanes.length).toBeLessThanOrEqual(64);
  expect(lanes.every((lane) => lane > 0 && lane % 2 === 0)).toBe(true);
});

it.each([
  ['/bad/0-1', '/ok/0'],
  ['/hook?to=bad&n=1', '/hook?to=ok&n=1'],
  ['/v1/bad', '/v1/ok'],
])('%s and %s have different lanes', (one, other) => {
  expect(laneOf(HOST + one)).not.toBe(laneOf(HOST + other));
});
