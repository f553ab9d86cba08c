import {
  count,
  counts,
  flag,
  group,
  oneOf,
  Setting,
  signedCount,
  text,
  textOrNull,
  texts,
} from './switches.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Public on purpose: it protects only the demo. */
export const DEMO_SVIX_SECRET = 'whsec_c2FuZGJveC1kZW1vLXNpZ25pbmcta2V5';

/** The switches of the whole platform. */
export const platformSwitches = group('the platform', {
  profile: oneOf(
    'a preset of the switches below; the others override it',
    'default',
    'hosted',
    'onprem',
    'old',
  ),
  outageStatus: count('HTTP status of every API response (region outage); 0: no outage'),
  auth: oneOf('`off`: an on-prem deployment without API keys', 'required', 'off'),
  htmlForbidden: flag('a request without a key gets an HTML 403, as at the edge of the service'),
  classifyAsync: flag('false: a version before v1.12.16, without POST /classify_async'),
  jobsList: flag('false: an old version without GET /jobs'),
  jobErrors: flag('false: an old version without `error` in GET /job'),
  jobDelete: flag('false: an old version without DELETE /job/{id}'),
  enhanced: flag('GET /job returns the enhanced variant'),
  extract: oneOf('the shape of extract results of this account', 'v3', 'legacy'),
  pricing: oneOf('the kind of `usage` of this account', 'credits', 'usageBreakdown'),
  rawStatuses: flag(
    'GET /job shows InProgress, Completing, and Cancelled instead of the public statuses',
  ),
  longPoll: flag('GET /job supports ?timeout='),
  version: text('response of GET /version'),
  clockSkewMs: signedCount('offset of the platform clock in created_at and Svix timestamps'),
  rateLimitPerSecond: count('calls per second for all routes; 0: no limit'),
  jobReadsPerSecond: count('calls per second for GET /job/{id}; 0: no limit'),
  rateLimitFlavour: oneOf('response to a rate-limited call', 'code1000', 'bare429', 'html503'),
  retryAfterSeconds: count('Retry-After of a rate-limited call; 0: none'),
  retentionMinutes: count('lifetime of job ids and results, from the submit'),
  expiredStatus: oneOf('HTTP status for an expired job', '404', '410'),
  queueMs: count('default time in Pending'),
  runMs: count('default time in InProgress'),
  completingMs: count('default time in Completing'),
  webhookDelayMs: count('default time between the end of a job and its webhook'),
  batchQueueMs: count('time in Pending for queue_priority batch'),
  batchQueueLimit: count(
    'maximum of waiting batch jobs; further submits get 503 with Retry-After 300',
  ),
  maxConcurrentJobs: count('maximum of concurrent jobs; further jobs are queued; 0: no limit'),
  listDelayMs: count('delay until GET /jobs lists a new job'),
  listOrder: oneOf('order of GET /jobs', 'newestFirst', 'oldestFirst', 'byId'),
  listStale: flag('GET /jobs always shows Pending'),
  listConfigs: oneOf(
    'the part of requests that GET /jobs shows',
    'whole',
    'withoutMetadata',
    'none',
  ),
  inlineLimitBytes: count('larger results are served by URL'),
  linkSeconds: count('lifetime of the links in results; then they answer `linkExpiredStatus`'),
  linkExpiredStatus: oneOf('HTTP status of an expired link', '403', '404'),
  freshResultUrls: flag('every GET /job signs new links; false: it repeats the first ones'),
  uploadLimitBytes: count('largest direct upload'),
  cancelDelayMs: count('time between POST /cancel and its effect'),
  cancelFinished: oneOf('response of POST /cancel for an ended job', 'ok', 'conflict', 'notFound'),
  cancelledView: oneOf(
    'response of GET /job for a cancelled job',
    'failed',
    'cancelled',
    'conflict',
  ),
  cancelWebhook: flag('a cancelled job sends a webhook'),
  deleteCleanupMs: count('time for which a deleted job gets 409 before 410'),
  directRetryDelaysMs: counts('delays before the retries of a direct webhook'),
  directTimeoutMs: count('timeout of a direct webhook attempt, in real time'),
  svixUrl: textOrNull('URL of the Svix endpoint; null: not configured'),
  svixEnabled: flag('false: Svix is not available (on-prem), or has disabled the endpoint'),
  svixSecrets: texts('list of whsec_… secrets; each of them signs, as during a rotation'),
  svixHeaderPrefix: oneOf('header prefix; white-label accounts use `webhook`', 'svix', 'webhook'),
  svixChannels: texts('channels of the endpoint; empty: it receives every message'),
  svixRetryDelaysMs: counts('delays before the retries of a Svix message'),
  svixTimeoutMs: count('timeout of a Svix attempt, in real time'),
  svixDisableAfterMs: count('time of continuous failure after which Svix disables the endpoint'),
});

type Given = Setting<typeof platformSwitches>;
export type Platform = Required<Omit<Given, 'profile'>>;

/**
 * Documented: Svix schedule, 12 h retention, 6 MB inline, 100 MB upload, links for 1 h. INFERRED: job
 * timing, direct retry delays, deletion time.
 */
const defaults: Platform = {
  outageStatus: 0,
  auth: 'required',
  htmlForbidden: false,
  classifyAsync: true,
  jobsList: true,
  jobErrors: true,
  jobDelete: true,
  enhanced: false,
  extract: 'v3',
  pricing: 'credits',
  rawStatuses: false,
  longPoll: true,
  version: 'v1.12.16-sandbox',
  clockSkewMs: 0,
  rateLimitPerSecond: 0,
  jobReadsPerSecond: 0,
  rateLimitFlavour: 'code1000',
  retryAfterSeconds: 0,
  retentionMinutes: 12 * 60,
  expiredStatus: '404',
  queueMs: 200,
  runMs: 700,
  completingMs: 100,
  webhookDelayMs: 0,
  batchQueueMs: 10 * MINUTE,
  batchQueueLimit: 1_000,
  maxConcurrentJobs: 0,
  listDelayMs: 0,
  listOrder: 'newestFirst',
  listStale: false,
  listConfigs: 'whole',
  inlineLimitBytes: 6_000_000,
  linkSeconds: 3_600,
  linkExpiredStatus: '403',
  freshResultUrls: true,
  uploadLimitBytes: 100 * 1024 * 1024,
  cancelDelayMs: 100,
  cancelFinished: 'ok',
  cancelledView: 'failed',
  cancelWebhook: false,
  deleteCleanupMs: 2 * SECOND,
  directRetryDelaysMs: [SECOND, 2 * SECOND, 4 * SECOND],
  directTimeoutMs: 10 * SECOND,
  svixUrl: null,
  svixEnabled: true,
  svixSecrets: [DEMO_SVIX_SECRET],
  svixHeaderPrefix: 'svix',
  svixChannels: [],
  svixRetryDelaysMs: [
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    10 * HOUR,
  ],
  svixTimeoutMs: 15 * SECOND,
  svixDisableAfterMs: 5 * 24 * HOUR,
};

const profiles: Record<NonNullable<Given['profile']>, Partial<Platform>> = {
  default: defaults,
  hosted: {
    rateLimitPerSecond: 1_000,
    jobReadsPerSecond: 200,
    rateLimitFlavour: 'code1000',
    auth: 'required',
  },
  old: {
    jobsList: false,
    jobErrors: false,
    jobDelete: false,
    classifyAsync: false,
    version: 'v1.9.55-sandbox',
  },
  onprem: {
    auth: 'off',
    rateLimitPerSecond: 250,
    rateLimitFlavour: 'html503',
    svixEnabled: false,
    retentionMinutes: 60,
    classifyAsync: false,
    version: 'v1.9.55-sandbox',
  },
};

export type PlatformSettings = Given;

/** The current platform switches; a reset restores those given at startup. */
export class PlatformState {
  #current: Platform;
  readonly #initial: Platform;

  constructor(given: PlatformSettings = {}) {
    this.#initial = apply(defaults, given);
    this.#current = this.#initial;
  }

  get current(): Platform {
    return this.#current;
  }

  set(given: PlatformSettings): Platform {
    this.#current = apply(this.#current, given);
    return this.#current;
  }

  reset(): void {
    this.#current = this.#initial;
  }
}

function apply(base: Platform, { profile, ...given }: PlatformSettings): Platform {
  return { ...base, ...(profile && profiles[profile]), ...given };
}
