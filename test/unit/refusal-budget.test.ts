import { expect, it } from 'vitest';
import {
  RefusalBudget,
  type StorageDecision,
  type RefusalLimits,
} from '../../src/audit/refusals/refusal-budget.js';
import type { RefusalCause } from '../../src/audit/refusal.js';

const WIDE: RefusalLimits = { perAddress: 1e6, total: 1e6, rawRequestBytes: 1e9 };

/** Spends for `addresses` in turn, and returns what was kept of each. */
function spend(
  budget: RefusalBudget,
  addresses: readonly string[],
  {
    cause = 'not_json',
    at = 0,
    bytes = 1,
  }: { cause?: RefusalCause; at?: number; bytes?: number } = {},
): StorageDecision[] {
  return addresses.map((clientAddress) => budget.spend({ cause, clientAddress, bytes }, at));
}

const times = (count: number, address = 'a'): string[] =>
  Array.from({ length: count }, () => address);
const entries = (kept: readonly StorageDecision[]): number =>
  kept.filter((one) => one !== 'count').length;

it('keeps exactly as many refusals of one cause from one address as a minute allows', () => {
  const budget = new RefusalBudget({ ...WIDE, perAddress: 3 });
  expect(spend(budget, times(4))).toEqual([
    'entry_with_raw',
    'entry_with_raw',
    'entry_with_raw',
    'count',
  ]);
});

it('keeps refusals of another address and of another cause apart', () => {
  const budget = new RefusalBudget({ ...WIDE, perAddress: 1 });
  spend(budget, times(2));
  expect(spend(budget, ['b'])).toEqual(['entry_with_raw']);
  expect(spend(budget, ['a'], { cause: 'too_large' })).toEqual(['entry_with_raw']);
});

it('keeps exactly as many refusals of all addresses together as a minute allows', () => {
  const budget = new RefusalBudget({ ...WIDE, total: 3 });
  expect(spend(budget, ['a', 'b', 'c', 'd'])).toEqual([
    'entry_with_raw',
    'entry_with_raw',
    'entry_with_raw',
    'count',
  ]);
});

it('keeps raw requests up to the bytes of a minute, and entries without them beyond', () => {
  const budget = new RefusalBudget({ ...WIDE, rawRequestBytes: 10 });
  expect(spend(budget, ['a', 'b', 'c'], { bytes: 5 })).toEqual([
    'entry_with_raw',
    'entry_with_raw',
    'entry',
  ]);
});

it('starts afresh in the next minute', () => {
  const budget = new RefusalBudget({ perAddress: 1, total: 1, rawRequestBytes: 1 });
  expect(spend(budget, times(2), { at: 59.9 })).toEqual(['entry_with_raw', 'count']);
  expect(spend(budget, times(2), { at: 60 })).toEqual(['entry_with_raw', 'count']);
});

it('tells at most 10,000 addresses apart in a minute, and counts the others together', () => {
  const budget = new RefusalBudget({ ...WIDE, perAddress: 1 });
  const many = Array.from({ length: 20_000 }, (_, n) => `address ${n}`);
  expect(entries(spend(budget, many))).toBe(10_001);
  expect(entries(spend(budget, many, { at: 60 }))).toBe(10_001);
});
