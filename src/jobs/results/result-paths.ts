import { watchedPaths, type WatchedPaths } from '../../platform/json/json-scanner.js';
import type { JobType } from '../job-type.js';

/*
 * Where Reducto documents what the gateway replaces in a result: `id` is a job id; `url` can be `{type: "url", url}`
 * in place of the value; `parse-url` is one whose value is a parse. `strict-url` has to have a `result_id` too, because
 * data of the service's own schema can be in the same place.
 */

const PIPELINE_STEPS = ['parse', 'extract', 'split', 'edit', 'classify'];

/** Paths within the `result` of a job answer. */
const ANSWER: Readonly<Record<JobType, WatchedPaths>> = {
  parse: watchedPaths({ job_id: 'id', result: 'parse-url' }),
  extract: watchedPaths({ job_id: 'id', result: 'url', citations: 'strict-url' }),
  split: watchedPaths({ job_id: 'id', result: 'url' }),
  edit: watchedPaths({ job_id: 'id', result: 'url' }),
  pipeline: watchedPaths({ job_id: 'id', ...pipelineSteps() }),
};

/** Paths within what the URL of a result holds. What an extraction found holds nothing of the gateway's concern. */
export const DOWNLOADED = watchedPaths({ job_id: 'id' });
export const EXTRACTED = watchedPaths({});

export function answerPaths(type: JobType): WatchedPaths {
  return ANSWER[type];
}

/** A step is the inner result itself or the whole answer of its endpoint, or a list of either. */
function pipelineSteps(): Record<string, string> {
  const paths: Record<string, string> = {};
  for (const step of PIPELINE_STEPS) {
    const url = step === 'parse' ? 'parse-url' : 'url';
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
