import { JsonObject, objectAt, objectsAt, stringAt } from '../json.js';
import { ResultContext } from './result-context.js';
import { splitUsage } from './usage.js';

/** Each section gets an equal share of the pages, in order. The real split uses a model. */
export function splitResponse(at: ResultContext): JsonObject {
  const { job, pages } = at;
  const deep = objectAt(job.body, 'settings')['deep_split'] === true;
  const given = objectsAt(job.body, 'split_description');
  // A pipeline's sections are in Studio, not in the request.
  const sections = given.length > 0 ? given : [{ name: 'Document', description: 'All pages' }];
  const splits = sections.map((section, index) => {
    const from = Math.floor((index * pages.length) / sections.length);
    const to = Math.floor(((index + 1) * pages.length) / sections.length);
    const numbers = pages.slice(from, to).map(({ number }) => number);
    const partitioned = typeof section['partition_key'] === 'string';
    return splitPart(stringAt(section, 'name') ?? '', numbers, { deep, partitioned });
  });
  const result = deep ? { splits } : { section_mapping: null, splits };
  return {
    response_type: 'split',
    usage: splitUsage(at, deep),
    result: at.place(job.type === 'split' ? 'result' : 'split', result),
    job_id: job.id,
    duration: at.durationSeconds,
  };
}

function splitPart(
  name: string,
  numbers: readonly number[],
  { deep, partitioned }: { deep: boolean; partitioned: boolean },
): JsonObject {
  const pages = deep
    ? numbers.map((page_number) => ({ page_number, evidence: 'Sample', confidence: 'high' }))
    : numbers;
  const conf = deep ? {} : { conf: numbers.length > 0 ? 'high' : 'low' };
  const partitions = partitioned ? [{ name: 'Sample', pages, ...conf }] : null;
  return { name, pages, ...conf, partitions };
}
