import { Page, pageText } from '../documents/document.js';
import { JsonObject, objectAt } from '../json.js';
import { bboxOf, studioLink } from './parse-result.js';
import { ResultContext } from './result-context.js';
import { mapLeaves, sampleOf } from './sample-value.js';
import { extractUsage } from './usage.js';

/** Requests of the second API version always get the legacy shape; for others, the account decides. */
export function extractResponse(at: ResultContext): JsonObject {
  const { body } = at.job;
  const isOldRequest = !('input' in body);
  const settings = objectAt(body, 'settings');
  const sample = sampleOf(isOldRequest ? body['schema'] : objectAt(body, 'instructions')['schema']);
  let fields = 0;
  mapLeaves(sample, () => (fields += 1));
  const cited =
    objectAt(settings, 'citations')['enabled'] === true || body['generate_citations'] === true;
  const shape = { at, sample, cited };
  return {
    ...(isOldRequest || at.platform.extract === 'legacy' ? legacy(shape) : v3(shape)),
    usage: extractUsage(at, fields, settings['deep_extract'] === true),
    job_id: at.job.id,
    studio_link: studioLink(at.job.id),
  };
}

interface Shape {
  at: ResultContext;
  sample: unknown;
  cited: boolean;
}

function v3({ at, sample, cited }: Shape): JsonObject {
  const result = cited
    ? mapLeaves(sample, (value) => ({ value, citations: [citation(value, at)] }))
    : listOf(sample);
  return { response_type: 'v3_extract', result: at.place('result', result) };
}

function legacy({ at, sample, cited }: Shape): JsonObject {
  const citations = mapLeaves(sample, (value) => [citation(value, at)]);
  return {
    response_type: 'extract',
    result: at.place('result', listOf(sample)),
    citations: cited ? at.place('citations', listOf(citations)) : null,
  };
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [value];
}

const WHOLE_PAGE = { left: 0, top: 0, width: 1, height: 1 };

/** Cites the first page, which is the only part of the document in the result. */
function citation(value: unknown, { pages, job }: ResultContext): JsonObject {
  const page: Page = pages[0] ?? { number: 1, blocks: [] };
  const bbox = bboxOf(WHOLE_PAGE, page.number);
  const { numerical_confidence: numeric } = objectAt(objectAt(job.body, 'settings'), 'citations');
  const scores = { extract_confidence: 0.95, parse_confidence: 0.98 };
  return {
    type: 'Text',
    content: String(value),
    bbox,
    confidence: 'high',
    granular_confidence: numeric === false ? null : scores,
    parentBlock: { content: pageText(page), bbox },
  };
}
