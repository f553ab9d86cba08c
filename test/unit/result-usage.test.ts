import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { pagesOf } from '../../src/jobs/results/result-usage.js';

const OLD_PRICES = {
  num_pages: 4,
  credits: 8.5,
  credit_breakdown: { page: 4, agentic: 4.5 },
  page_billing_breakdown: { '1': ['page'] },
};
const NEW_PRICES = {
  num_pages: 4,
  usage_breakdown: { parse_model: 'R-1 Mini', tier: 'Default', parse_pages: 4, charts: 0 },
};

const pages = (result: unknown): Promise<number | undefined> =>
  pagesOf(
    (async function* () {
      yield gzipSync(JSON.stringify(result));
    })(),
  );

test.each([
  ['the prices before September 2026', OLD_PRICES],
  ['the prices since September 2026', NEW_PRICES],
  ['null as its credits', { ...NEW_PRICES, credits: null, credit_breakdown: null }],
  ['the number of fields', { num_pages: 4, num_fields: 12, extract_mode: 'extract' }],
  ['the number of categories', { num_categories: 2, num_pages: 4 }],
])('reads the pages of a usage with %s', async (_, usage) => {
  expect(await pages({ result: {}, usage })).toBe(4);
});

test.each([undefined, null, {}, { num_pages: null }, { num_pages: 'four' }])(
  'reads no pages of the usage %j',
  async (usage) => {
    expect(await pages({ usage, result: { usage: { num_pages: 9 } } })).toBeUndefined();
  },
);
