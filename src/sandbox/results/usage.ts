import { JsonObject } from '../json.js';
import { ResultContext } from './result-context.js';

/*
 * `usage` of both kinds of accounts (fact sheet 3.7): credits (earlier plans) or a usage breakdown. The rates are
 * those of the earlier plans; options do not change them.
 */

const NO_EXTRAS = { ocr_pages: 0, charts: 0, prompted_blocks: 0 };

export function parseUsage(at: ResultContext): JsonObject {
  return pagesUsage(at, 1, {
    parse_model: modelOf(at) === 'r-1' ? 'R-1' : 'Legacy',
    tier: tierOf(at),
    parse_pages: at.numPages,
    parse_native_pages: 0,
    legacy_parse_credits: 0,
    ...NO_EXTRAS,
  });
}

export function splitUsage(at: ResultContext, deep: boolean): JsonObject {
  return pagesUsage(at, 2, {
    split_model: deep ? 'Deep Split' : 'Split',
    split_pages: at.numPages,
    ...NO_EXTRAS,
  });
}

export function editUsage(at: ResultContext): JsonObject {
  return pagesUsage(at, 4, { edit_model: 'Normal', edit_pages: at.numPages, prefill_pages: 0 });
}

export function extractUsage(at: ResultContext, fields: number, deep: boolean): JsonObject {
  return {
    num_pages: at.numPages,
    num_fields: fields,
    extract_mode: deep ? 'super_agent' : 'extract',
    ...priced(at, deep ? 4 * at.numPages + 0.1 * fields : 2 * at.numPages, {
      extract_model: deep ? 'Deep Extract' : 'Extract',
      tier: tierOf(at),
      extract_pages: at.numPages,
      extract_fields: fields,
      ...NO_EXTRAS,
    }),
  };
}

export function classifyUsage(at: ResultContext, categories: number, deep: boolean): JsonObject {
  const pages = Math.min(5, at.numPages);
  return {
    num_pages: at.numPages,
    num_categories: categories,
    ...priced(at, 0.5 * pages, {
      classify_model: deep ? 'Deep Classify' : 'Classify',
      classify_pages: pages,
    }),
  };
}

function pagesUsage(at: ResultContext, rate: number, breakdown: JsonObject): JsonObject {
  const credits = rate * at.numPages;
  return {
    num_pages: at.numPages,
    page_billing_breakdown: Object.fromEntries(at.pages.map(({ number }) => [number, ['page']])),
    ...priced(at, credits, breakdown),
    ...(at.platform.pricing === 'credits' && { credit_breakdown: { page: credits } }),
  };
}

function priced({ platform }: ResultContext, credits: number, breakdown: JsonObject): JsonObject {
  return platform.pricing === 'credits' ? { credits } : { usage_breakdown: breakdown };
}

function tierOf({ job }: ResultContext): string {
  return job.batch ? 'Batch' : 'Default';
}

function modelOf({ job }: ResultContext): unknown {
  const { settings } = job.body;
  return typeof settings === 'object' && settings !== null && 'model' in settings
    ? settings.model
    : undefined;
}
