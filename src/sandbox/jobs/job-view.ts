import { Job, JobStatus } from './job.js';
import { JsonObject, objectAt } from '../json.js';
import { Links } from './links.js';
import { Platform } from '../faults/platform-switches.js';
import { resultOf } from '../results/job-result.js';
import { resultPieces } from './result-padding.js';

export interface ViewContext {
  platform: Platform;
  links: Links;
  /** The base URL under which the caller reaches the sandbox. */
  base: string;
}

const typeNames = {
  parse: 'Parse',
  extract: 'Extract',
  split: 'Split',
  edit: 'Edit',
  pipeline: 'Pipeline',
  classify: 'Classify',
} as const;

const progressOf: Record<JobStatus, number | null> = {
  Pending: 0,
  Idle: 0,
  InProgress: 0.5,
  Completing: 0.9,
  Completed: 1,
  Failed: null,
  Cancelled: null,
};

/** The body of GET /job/{id}, with the four public statuses unless `rawStatuses` is set. */
export function jobView(job: Job, context: ViewContext): JsonObject {
  const { platform } = context;
  const { poll } = job.sim;
  const afterEnd = job.readsAfterEnd <= (poll?.pendingReads ?? 0) ? 'Pending' : job.status;
  const shown = job.endedAt === undefined ? job.status : afterEnd;
  const status = poll?.status ?? publicStatus(shown, platform);
  const withResult = shown === 'Completed' && status === 'Completed' && poll?.resultNull !== true;
  const failed = shown === 'Failed' || shown === 'Cancelled';
  return {
    status,
    progress: progressOf[shown],
    reason: failed ? job.reason : null,
    ...(platform.jobErrors && { error: failed ? job.error : null }),
    result: withResult ? resultView(job, context) : null,
    ...(platform.enhanced && enhancedFields(job, platform)),
  };
}

/** An item of GET /jobs: the actual status, without the result. */
export function jobListItem(job: Job, platform: Platform, excludeConfigs: boolean): JsonObject {
  const { raw_config: _rawConfig, ...fields } = enhancedFields(job, platform);
  return {
    job_id: job.id,
    status: platform.listStale ? 'Pending' : job.status,
    ...fields,
    ...(!excludeConfigs && { raw_config: listedConfig(job, platform) }),
  };
}

/** The request as GET /jobs shows it; whether it contains the metadata is UNKNOWN. */
function listedConfig({ body }: Job, { listConfigs }: Platform): string {
  if (listConfigs === 'none') return '';
  if (listConfigs === 'whole') return JSON.stringify(body);
  const { async: _async, webhook: _webhook, ...rest } = body;
  return JSON.stringify(rest);
}

/** GET /job shows internal states as Pending and a cancelled job as Failed (INFERRED). */
function publicStatus(status: JobStatus, platform: Platform): JobStatus {
  if (platform.rawStatuses) return status;
  switch (status) {
    case 'InProgress':
    case 'Completing':
      return 'Pending';
    case 'Cancelled':
      return platform.cancelledView === 'cancelled' ? 'Cancelled' : 'Failed';
    case 'Pending':
    case 'Idle':
    case 'Completed':
    case 'Failed':
    default:
      return status;
  }
}

function enhancedFields(job: Job, platform: Platform): JsonObject {
  const pages = job.document ? pageCount(job) : null;
  return {
    type: job.sim.chart === true ? 'Chart' : typeNames[job.type],
    num_pages: pages,
    total_pages: pages,
    duration: job.endedAt === undefined ? null : durationSeconds(job),
    created_at: timestamp(job.createdAt + platform.clockSkewMs),
    raw_config: JSON.stringify(job.body),
    source: null,
    bucket: null,
  };
}

/** UTC with microseconds, without a zone. */
function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000');
}

/** The result of a job that has succeeded, with links for the caller. */
export function resultView(job: Job, context: ViewContext): JsonObject | null {
  return build(job, context, (name, part) => {
    const bytes = name === 'result' ? (job.sim.resultBytes ?? 0) : 0;
    const text = JSON.stringify(part);
    const size = Math.max(bytes, Buffer.byteLength(text));
    if (forcesUrl(job) || size > context.platform.inlineLimitBytes) {
      const path = name === 'result' ? `results/${job.id}` : `results/${job.id}/${name}`;
      return { type: 'url', url: linkTo(job, path, context), result_id: job.id };
    }
    const padded = (): unknown => JSON.parse([...resultPieces(part, 'object', bytes)].join(''));
    return bytes > text.length ? padded() : part;
  });
}

/** A part of the result that a URL result links to; undefined: the result has no such part. */
export function resultPart(job: Job, name: string, context: ViewContext): unknown {
  let found: unknown;
  build(job, context, (placed, part) => {
    if (placed === name) found = part;
    return null;
  });
  return found;
}

function build(
  job: Job,
  context: ViewContext,
  place: (name: string, part: unknown) => unknown,
): JsonObject | null {
  if (!job.document) return null;
  return resultOf({
    job,
    pages: job.document.pages,
    platform: context.platform,
    numPages: pageCount(job),
    durationSeconds: durationSeconds(job),
    link: (name) => linkTo(job, `files/${job.id}/${name}`, context),
    place,
  });
}

/** The setting is under `settings`, in old bodies under `options`, in a classify at the top. */
function forcesUrl({ sim, body }: Job): boolean {
  const places = [objectAt(body, 'settings'), objectAt(body, 'options'), body];
  return sim.forceUrlResult ?? places.some((place) => place['force_url_result'] === true);
}

function linkTo(job: Job, path: string, { platform, links, base }: ViewContext): string {
  const known = platform.freshResultUrls ? undefined : job.links.get(path);
  if (known !== undefined) return known;
  const link = links.make(base, path, 1_000 * (job.sim.linkSeconds ?? platform.linkSeconds));
  job.links.set(path, link);
  return link;
}

function pageCount(job: Job): number {
  return job.sim.numPages ?? job.document?.pages.length ?? 0;
}

function durationSeconds({ startedAt, createdAt, endedAt }: Job): number {
  return Math.round((endedAt ?? createdAt) - (startedAt ?? createdAt)) / 1_000;
}
