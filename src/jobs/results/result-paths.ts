import { watchedPaths, type WatchedPaths } from '../../platform/json/watched-paths.js';
import type { JobType } from '../job-type.js';

/*
 * Documented paths that the gateway replaces in a result. `id`: a job id. `url`: may be `{type: "url", url}`.
 * `parse-url`: the same for a parse. `strict-url`: needs a `result_id` too, because extracted data can have this path.
 * `extract-url`: strict, except in the legacy shape, whose data is a list. `legacy-url`: not in the v3 shape.
 * `file:<kind>`: a link to a file, which expires. `file:attachment`: such a link where Reducto does not document one.
 * `unknown`: any other string, which may be a link. Extracted data and the text of documents have no path.
 */

type Paths = Record<string, string | null>;

/** Members that hold no links, or one that does not expire. */
const NEVER_LINKS: Paths = Object.fromEntries(
  ['type', 'url', 'result_id', 'studio_link'].map((name) => [name, null]),
);

/** The document within a parse, and the result of a chart. */
const FULL_RESULT: Paths = {
  ...NEVER_LINKS,
  ...chunks('chunks.'),
  ocr: null,
  'custom.**': 'file:attachment',
  reconstruction_url: 'file:chart',
  chart_data: null,
  summary: null,
};

/** The members of any answer. */
const ANSWER: Paths = {
  ...NEVER_LINKS,
  job_id: 'id',
  usage: null,
  result: 'url',
  'result.**': null,
};

const PARSE: Paths = {
  ...ANSWER,
  pdf_url: 'file:document',
  document_properties: null,
  result: 'parse-url',
  ...below('result', FULL_RESULT),
  'result.**': 'unknown',
};

const EXTRACT: Paths = {
  ...ANSWER,
  result: 'extract-url',
  citations: 'legacy-url',
  'citations.**': null,
  response_confidence: null,
};

const EDIT: Paths = { ...ANSWER, document_url: 'file:document', form_schema: null };

const CLASSIFY: Paths = { ...ANSWER, response_confidence: null, extra_metadata: null };

/** Paths within the `result` of a job answer. */
const ANSWERS: Readonly<Record<JobType, Paths>> = {
  parse: { '**': 'unknown', ...PARSE },
  extract: { '**': 'unknown', ...EXTRACT, response_type: 'response-type' },
  split: { '**': 'unknown', ...ANSWER },
  edit: { '**': 'unknown', ...EDIT },
  classify: { '**': 'unknown', ...CLASSIFY },
  pipeline: {
    '**': 'unknown',
    ...NEVER_LINKS,
    job_id: 'id',
    usage: null,
    ...pipelineSteps(),
  },
};

const watchedIn = (pathsOf: (paths: Paths) => Paths): Map<string, WatchedPaths> =>
  new Map(Object.entries(ANSWERS).map(([type, paths]) => [type, watchedPaths(pathsOf(paths))]));

const WITH_LINKS = watchedIn((paths) => paths);
/** Without links to files, which halves the time of a scan. */
const WITHOUT_LINKS = watchedIn((paths) =>
  Object.fromEntries(
    Object.entries(paths).filter(
      ([, label]) => label !== null && label !== 'unknown' && !label.startsWith('file:'),
    ),
  ),
);

/** Paths within a downloaded parse: the document, or the bare array of its chunks. */
export const DOWNLOADED = watchedPaths({
  '**': 'unknown',
  job_id: 'id',
  ...FULL_RESULT,
  ...chunks(''),
});

/** Extracted data is never changed. */
export const EXTRACTED = watchedPaths({});

/** @param hasLinks whether any string in the answer is a link */
export function answerPaths(type: JobType, hasLinks: boolean): WatchedPaths {
  return (hasLinks ? WITH_LINKS : WITHOUT_LINKS).get(type) ?? {};
}

/** The links in a list of chunks. */
function chunks(list: string): Paths {
  const block = `${list}*.blocks.*`;
  return {
    [`${list}*.content`]: null,
    [`${list}*.embed`]: null,
    [`${list}*.enriched`]: null,
    [`${block}.content`]: null,
    [`${block}.bbox`]: null,
    [`${block}.image_url`]: 'file:image',
    [`${block}.chart_data.*`]: 'file:chart-data',
    [`${block}.merged_tables.*.image_url`]: 'file:table-image',
    [`${block}.merged_tables.*.content`]: null,
    [`${block}.extra.**`]: 'file:attachment',
    [`${block}.extra.studio_link`]: null,
  };
}

/** A step is the inner result itself or the whole answer of its endpoint, or a list of either. */
function pipelineSteps(): Paths {
  const paths: Paths = {};
  const addStep = (step: string, url: string, answer: Paths): void => {
    for (const at of [`result.${step}`, `result.${step}.*`]) {
      Object.assign(paths, { [at]: url }, below(at, answer));
    }
  };
  addStep('parse', 'parse-url', { ...FULL_RESULT, ...PARSE });
  // The inner results of the other steps may be any data.
  addStep('extract', 'strict-url', { '**': null, job_id: 'id', result: 'strict-url' });
  addStep('split', 'url', { '**': null, job_id: 'id', result: 'url' });
  addStep('edit', 'url', { '**': null, ...EDIT });
  addStep('classify', 'url', { '**': null, job_id: 'id', result: 'url' });
  paths['result.extract.citations'] = 'strict-url';
  // An extraction for each part of a split: `{split_name, page_range, result: <the answer of an extract>}`.
  const extraction = { ...EXTRACT, result: 'strict-url', citations: 'strict-url' };
  Object.assign(paths, below('result.extract.*.result', extraction));
  return paths;
}

function below(prefix: string, paths: Paths): Paths {
  return Object.fromEntries(
    Object.entries(paths).map(([path, label]) => [`${prefix}.${path}`, label]),
  );
}
