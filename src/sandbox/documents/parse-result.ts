import { Page, pageText } from './document.js';
import { JsonObject } from '../json.js';

/** The inner `result` of a parse, one chunk per page. */
export interface FullResult {
  type: 'full';
  chunks: JsonObject[];
  ocr: null;
  custom: null;
}

export function fullResult(pages: readonly Page[]): FullResult {
  return { type: 'full', chunks: pages.map(chunk), ocr: null, custom: null };
}

function chunk(page: Page): JsonObject {
  const content = pageText(page);
  return {
    content,
    embed: content,
    enriched: null,
    enrichment_success: false,
    blocks: page.blocks.map(({ type, content, bbox }) => ({
      type,
      bbox: { ...bbox, page: page.number, original_page: page.number },
      content,
      image_url: null,
      chart_data: null,
      confidence: 'high',
      granular_confidence: { extract_confidence: null, parse_confidence: 0.98 },
      extra: null,
    })),
  };
}
