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

/** Public on purpose: it protects nothing but a demo. */
export const DEMO_SVIX_SECRET = 'whsec_c2FuZGJveC1kZW1vLXNpZ25pbmcta2V5';

/** Every switch that bends the whole platform. */
export const platformSwitches = group('the platform', {
  profile: oneOf(
    'a bundle of the switches below, applied first',
    'default',
    'hosted',
    'onprem',
    'old',
  ),
  outageStatus: count('answer every API call with this status (region outage); 0: no outage'),
  auth: oneOf('`off` is an on-prem deployment without keys', 'required', 'off'),
  jobsList: flag('false: an old version without GET /jobs'),
  jobErrors: flag('false: an old version without `error` in GET /job'),
  jobDelete: flag('false: an old version without DELETE /job/{id}'),
  enhanced: flag('GET /job answers the enhanced variant'),
  rawStatuses: flag('GET /job shows InProgress, Completing and Cancelled as they are'),
  longPoll: flag('GET /job honours ?timeout='),
  version: text('the answer of GET /version'),
  clockSkewMs: signedCount('how far the platform clock is off, in created_at and Svix timestamps'),
  rateLimitPerSecond: count('calls per second for everything; 0: no limit'),
  jobReadsPerSecond: count('calls per second for GET /job/{id}; 0: no limit'),
  rateLimitFlavour: oneOf('how the excess is answered', 'code1000', 'bare429', 'html503'),
  retryAfterSeconds: count('Retry-After on the excess; 0: none'),
  retentionMinutes: count('life of job ids and results, from the submit'),
  expiredStatus: oneOf('how an expired job answers', '404', '410'),
  queueMs: count('default time in Pending'),
  runMs: count('default time in InProgress'),
  completingMs: count('default time in Completing'),
  webhookDelayMs: count('default time between the end of a job and its webhook'),
  batchQueueMs: count('time in Pending for queue_priority batch'),
  batchQueueLimit: count('batch jobs that may wait; the next answers 503 with Retry-After 300'),
  maxConcurrentJobs: count('jobs at work at once, the others queue; 0: no limit'),
  listDelayMs: count('time until a new job shows in GET /jobs'),
  listOrder: oneOf('the order of GET /jobs', 'newestFirst', 'oldestFirst', 'byId'),
  listStale: flag('GET /jobs shows every job as Pending for ever'),
  listConfigs: oneOf('what GET /jobs shows of requests', 'whole', 'withoutMetadata', 'none'),
  inlineLimitBytes: count('larger results go by URL'),
  resultUrlTtlMs: count('life of a result link'),
  freshResultUrls: flag('every GET /job mints a new link; false: the first one is repeated'),
  uploadLimitBytes: count('largest direct upload'),
  cancelDelayMs: count('time between POST /cancel and its effect'),
  cancelFinished: oneOf('POST /cancel on an ended job', 'ok', 'conflict', 'notFound'),
  cancelledView: oneOf('how GET /job shows a cancelled job', 'failed', 'cancelled', 'conflict'),
  cancelWebhook: flag('a cancelled job sends a webhook'),
  deleteCleanupMs: count('time that a deleted job answers 409 before it answers 410'),
  directRetryDelaysMs: counts('waits before each further direct webhook try'),
  directTimeoutMs: count('patience of a direct webhook try, in real time'),
  svixUrl: textOrNull('the one Svix endpoint; null: nobody has configured one'),
  svixEnabled: flag('false: Svix is not there (on-prem), or has disabled the endpoint'),
  svixSecrets: texts('whsec_… list; all of them sign, as during a rotation'),
  svixHeaderPrefix: oneOf('`webhook` is what white-labelled accounts send', 'svix', 'webhook'),
  svixChannels: texts('channels of the endpoint; none: it takes every message'),
  svixRetryDelaysMs: counts('waits before each further Svix try'),
  svixTimeoutMs: count('patience of a Svix try, in real time'),
  svixDisableAfterMs: count('the endpoint is switched off after failing for so long'),
});

type Given = Setting<typeof platformSwitches>;
export type Platform = Required<Omit<Given, 'profile'>>;

/**
 * What is documented (Svix schedule, 12 h, 6 MB, 100 MB), and demo-sized guesses for what is not
 * (INFERRED: job timing, direct retry waits, link life, the time a deletion takes).
 */
const defaults: Platform = {
  outageStatus: 0,
  auth: 'required',
  jobsList: true,
  jobErrors: true,
  jobDelete: true,
  enhanced: false,
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
  resultUrlTtlMs: HOUR,
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
  old: { jobsList: false, jobErrors: false, jobDelete: false, version: 'v1.9.55-sandbox' },
  onprem: {
    auth: 'off',
    rateLimitPerSecond: 250,
    rateLimitFlavour: 'html503',
    svixEnabled: false,
    retentionMinutes: 60,
    version: 'v1.9.55-sandbox',
  },
};

export type PlatformSettings = Given;

/** The platform's current switches; what was given at the start survives a reset. */
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
