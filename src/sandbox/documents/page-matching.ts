import { Page, pageText } from './document.js';
import { JsonObject, objectsAt, stringAt } from '../json.js';

/** The words with at least four letters. */
function keywords(description: string): string[] {
  return [...new Set(description.toLowerCase().match(/\p{L}{4,}/gu) ?? [])];
}

function score(text: string, words: readonly string[]): number {
  const lower = text.toLowerCase();
  return words.filter((word) => lower.includes(word)).length;
}

/**
 * The inner `result` of a split: each page goes to the section whose name and description share the
 * most words with it. Pages without a match are omitted.
 */
export function splitResult(body: JsonObject, pages: readonly Page[]): JsonObject {
  const sections = objectsAt(body, 'split_description').map((section) => ({
    name: stringAt(section, 'name') ?? '',
    partitioned: typeof section['partition_key'] === 'string',
    words: keywords(`${stringAt(section, 'name')} ${stringAt(section, 'description')}`),
    pages: [] as number[],
  }));
  for (const page of pages) {
    const text = pageText(page);
    const ranked = sections
      .map((section) => ({ section, points: score(text, section.words) }))
      .toSorted((a, b) => b.points - a.points);
    const best = ranked[0];
    if (best && best.points > 0) best.section.pages.push(page.number);
  }
  return {
    section_mapping: null,
    splits: sections.map(({ name, pages, partitioned }) => ({
      name,
      pages,
      conf: pages.length > 0 ? 'high' : 'low',
      partitions: partitioned ? [{ name: 'default', pages, conf: 'low' }] : null,
    })),
  };
}

/** The classify result: the category whose criteria share the most words with the document. */
export function classifyResult(body: JsonObject, pages: readonly Page[]): JsonObject {
  const text = pages.map(pageText).join('\n');
  const ranked = objectsAt(body, 'classification_schema')
    .map((entry) => {
      const criteria = Array.isArray(entry['criteria']) ? entry['criteria'].map(String) : [];
      const category = stringAt(entry, 'category') ?? '';
      const words = keywords([category, ...criteria].join(' '));
      return { category, criteria, confidence: score(text, words) / Math.max(1, words.length) };
    })
    .toSorted((a, b) => b.confidence - a.confidence);
  return {
    result: { category: ranked[0]?.category ?? 'unclassified' },
    response_confidence: {
      categories: ranked.map(({ category, criteria, confidence }) => ({
        category,
        confidence,
        criteria_confidence: criteria.map((criterion) => ({
          criterion,
          confidence: score(text, keywords(criterion)) > 0 ? 'high' : 'low',
        })),
      })),
    },
  };
}
