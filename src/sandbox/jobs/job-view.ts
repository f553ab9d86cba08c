import { Job, JobStatus } from './job.js';
import { JsonObject, objectAt } from '../json.js';
import { Links } from './links.js';
import { Platform } from '../faults/platform-switches.js';
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

/** The scale is UNKNOWN; Reducto's docs print the value with a percent sign. */
const progressOf: Record<JobStatus, number | null> = {
  Pending: 0,
  Idle: 0,
  InProgress: 50,
  Completing: 90,
  Completed: 100,
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
  // The schema requires a string; the empty string for an excluded config is INFERRED.
  return {
    job_id: job.id,
    status: platform.listStale ? 'Pending' : job.status,
    ...fields,
    raw_config: excludeConfigs ? '' : listedConfig(job, platform),
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
  const pages = job.result ? pageCount(job) : null;
  return {
    type: typeNames[job.type],
    num_pages: pages,
    total_pages: pages,
    duration: job.endedAt === undefined ? null : durationSeconds(job),
    created_at: new Date(job.createdAt + platform.clockSkewMs).toISOString(),
    raw_config: JSON.stringify(job.body),
    source: null,
    bucket: null,
  };
}

function resultView(job: Job, context: ViewContext): JsonObject | null {
  const { result } = job;
  if (!result) return null;
  const { inner, innerBytes } = result;
  const bytes = Math.max(innerBytes, job.sim.resultBytes ?? 0);
  const byUrl = inner !== null && (forcesUrl(job) || bytes > context.platform.inlineLimitBytes);
  return result.outer(
    byUrl ? { type: 'url', url: resultUrl(job, context), result_id: job.id } : inlineInner(job),
    {
      numPages: pageCount(job),
      durationSeconds: durationSeconds(job),
      documentUrl: () =>
        context.links.make(context.base, 'documents', job.id, context.platform.resultUrlTtlMs),
    },
  );
}

function inlineInner(job: Job): unknown {
  const { inner, innerBytes } = job.result ?? { inner: null, innerBytes: 0 };
  const bytes = job.sim.resultBytes ?? 0;
  if (bytes <= innerBytes) return inner;
  return JSON.parse([...resultPieces(inner, 'object', bytes)].join(''));
}

/** v3 has the setting under `settings`, legacy bodies under `options`. */
function forcesUrl({ sim, body }: Job): boolean {
  return (
    sim.forceUrlResult ??
    (objectAt(body, 'settings')['force_url_result'] === true ||
      objectAt(body, 'options')['force_url_result'] === true)
  );
}

function resultUrl(job: Job, { platform, links, base }: ViewContext): string {
  const ttl = job.sim.resultUrl?.ttlMs ?? platform.resultUrlTtlMs;
  if (platform.freshResultUrls || job.resultUrl === undefined) {
    job.resultUrl = links.make(base, 'results', job.id, ttl);
  }
  return job.resultUrl;
}

function pageCount(job: Job): number {
  return job.sim.numPages ?? job.result?.pages.length ?? 0;
}

function durationSeconds({ startedAt, createdAt, endedAt }: Job): number {
  return Math.round((endedAt ?? createdAt) - (startedAt ?? createdAt)) / 1_000;
}
