import { SAMPLE_CHART } from '../documents/sample-files.js';
import { isJsonObject, JsonObject, objectsAt, stringAt } from '../json.js';
import { extractResponse } from './extract-result.js';
import { parseResponse } from './parse-result.js';
import { ResultContext } from './result-context.js';
import { splitResponse } from './split-result.js';
import { classifyUsage, editUsage, parseUsage } from './usage.js';

/** The result of a job: the answer of a synchronous call, and `result` in GET /job. */
export function resultOf(at: ResultContext): JsonObject {
  if (at.job.sim.chart === true) return chartResponse(at);
  switch (at.job.type) {
    case 'parse':
      return parseResponse(at);
    case 'extract':
      return extractResponse(at);
    case 'split':
      return splitResponse(at);
    case 'edit':
      return editResponse(at);
    case 'pipeline':
      return pipelineResponse(at);
    case 'classify':
    default:
      return classifyResponse(at);
  }
}

/** The document is returned unchanged: the sandbox does not fill in forms. */
function editResponse(at: ResultContext): JsonObject {
  const { form_schema: formSchema } = at.job.body;
  return {
    response_type: 'edit',
    document_url: at.link('edited.pdf'),
    job_id: at.job.id,
    form_schema: Array.isArray(formSchema) ? formSchema : null,
    usage: editUsage(at),
  };
}

/** The sandbox knows no pipelines: each has all four steps. */
function pipelineResponse(at: ResultContext): JsonObject {
  const parse = parseResponse(at);
  const extract = extractResponse({ ...at, place: (name, part) => at.place(partOf(name), part) });
  const lists = at.job.sim.pipelineLists === true;
  const pages = at.pages.map(({ number }) => number);
  return {
    response_type: 'pipeline',
    job_id: at.job.id,
    usage: parseUsage(at),
    result: {
      parse: lists ? [parse] : parse,
      extract: lists
        ? [{ split_name: 'Document', page_range: pages, partition: null, result: extract }]
        : extract,
      split: splitResponse(at),
      edit: editResponse(at),
    },
  };
}

function partOf(name: string): string {
  return name === 'result' ? 'extract' : name;
}

/** The first category wins. The real classify uses a model. */
function classifyResponse(at: ResultContext): JsonObject {
  const { body, id } = at.job;
  const categories = objectsAt(body, 'classification_schema').map((given, index) => {
    const { criteria } = given;
    const confidence = index === 0 ? 'high' : 'low';
    return {
      category: stringAt(given, 'category') ?? '',
      confidence: index === 0 ? 0.95 : 0.05,
      criteria_confidence: (Array.isArray(criteria) ? criteria : []).map((criterion) => ({
        criterion: String(criterion),
        confidence,
      })),
    };
  });
  const category = categories[0]?.category ?? 'unclassified';
  return {
    response_type: 'classify',
    job_id: id,
    result: at.place('result', { category }),
    duration: at.durationSeconds,
    usage: classifyUsage(at, categories.length, body['model'] === 'accurate'),
    response_confidence: { categories },
    ...grouping(body['category_groups'], category),
  };
}

function grouping(groups: unknown, category: string): JsonObject {
  if (!isJsonObject(groups)) return {};
  const group = Object.entries(groups).find(
    ([, labels]) => Array.isArray(labels) && labels.includes(category),
  );
  return { extra_metadata: { grouping: group?.[0] ?? 'ungrouped' } };
}

/** No route makes chart jobs, but their shape exists (fact sheet 3.5). */
function chartResponse(at: ResultContext): JsonObject {
  return {
    response_type: 'chart',
    job_id: at.job.id,
    result: {
      chart_data: SAMPLE_CHART,
      summary: 'A sample chart',
      reconstruction_url: at.link('chart-1.png'),
      verified: true,
    },
    usage: { num_charts: 1, credits: 4 },
    duration: at.durationSeconds,
  };
}
