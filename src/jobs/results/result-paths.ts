import { watchedPaths, type WatchedPaths } from '../../platform/json/watched-paths.js';
import type { JobType } from '../job-type.js';

/*
 * Documented paths that the gateway replaces in a result. `id`: a job id. `url`: may be `{type: "url", url}`.
 * `parse-url`: the same for a parse. `strict-url`: needs a `result_id` too, because extracted data can have this path.
 * `extract-url`: strict, except in the legacy shape, whose data is a list. `legacy-url`: not in the v3 shape.
 */

const PIPELINE_STEPS = ['parse', 'extract', 'split', 'edit', 'classify'];

/** Paths within the `result` of a job answer. */
const ANSWER: Readonly<Record<JobType, WatchedPaths>> = {
  parse: watchedPaths({ job_id: 'id', result: 'parse-url' }),
  extract: watchedPaths({
    job_id: 'id',
    response_type: 'response-type',
    result: 'extract-url',
    citations: 'legacy-url',
  }),
  split: watchedPaths({ job_id: 'id', result: 'url' }),
  edit: watchedPaths({ job_id: 'id', result: 'url' }),
  classify: watchedPaths({ job_id: 'id', result: 'url' }),
  pipeline: watchedPaths({ job_id: 'id', ...pipelineSteps() }),
};

/** Paths within a downloaded result; extracted data is never changed. */
export const DOWNLOADED = watchedPaths({ job_id: 'id' });
export const EXTRACTED = watchedPaths({});

export function answerPaths(type: JobType): WatchedPaths {
  return ANSWER[type];
}

/** A step is the inner result itself or the whole answer of its endpoint, or a list of either. */
function pipelineSteps(): Record<string, string> {
  const paths: Record<string, string> = {};
  for (const step of PIPELINE_STEPS) {
    const url = step === 'parse' ? 'parse-url' : step === 'extract' ? 'strict-url' : 'url';
    for (const at of [`result.${step}`, `result.${step}.*`]) {
      paths[at] = url;
      paths[`${at}.job_id`] = 'id';
      paths[`${at}.result`] = url;
    }
  }
  // An extraction for each part of a split: `{split_name, page_range, result: <the answer of an extract>}`.
  paths['result.extract.*.result.job_id'] = 'id';
  paths['result.extract.*.result.result'] = 'strict-url';
  paths['result.extract.*.result.citations'] = 'strict-url';
  paths['result.extract.citations'] = 'strict-url';
  return paths;
}
